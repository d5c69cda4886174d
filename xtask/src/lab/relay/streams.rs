//! The DERP server: a packet of one client goes to the connection of the client it names, with the
//! sender's key. A client that is not there, or reads too slowly, loses packets.

use std::io::{self, Read, Write};
use std::net::{SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags};

use super::frame::{self, Key, Kind};
use super::{HELD, IDLE};
use crate::lab::held::Held;
use crate::lab::knob::Knob;
use crate::lab::sockets;

/// Bytes that may wait for a client that reads slowly.
const WAITING: usize = 1 << 20;
/// Bytes taken from a connection at a time.
const CHUNK: usize = 16_384;

/// A connection.
struct Client {
    stream: TcpStream,
    key: Option<Key>,
    inbound: Vec<u8>,
    outbound: Vec<u8>,
}

/// A packet on its way: receiver, sender, packet.
type Carried = (Key, Key, Vec<u8>);

/// Carries packets between its clients, for ever.
pub(super) fn run(listen: SocketAddrV4, delay: PathBuf) -> io::Result<()> {
    let listener = TcpListener::bind(listen)?;
    listener.set_nonblocking(true)?;
    let mut clients: Vec<Client> = Vec::new();
    let mut held: Held<Carried> = Held::new(HELD);
    let mut knob = Knob::new(delay);
    loop {
        let wait = held
            .wait(Instant::now())
            .map_or(IDLE, |wait| wait.min(IDLE));
        await_work(&listener, &clients, wait)?;
        clients.retain_mut(|client| match client.take(&mut held, &mut knob) {
            Ok(()) => true,
            Err(cause) => {
                eprintln!("lose a client: {cause}");
                false
            }
        });
        accept(&listener, &mut clients)?;
        while let Some((to, from, packet)) = held.pop(Instant::now()) {
            // The last one: it may have connected again.
            let receiver = clients.iter_mut().rfind(|client| client.key == Some(to));
            if let Some(receiver) = receiver {
                receiver.queue(&from, &packet);
            }
        }
        clients.retain_mut(|client| client.flush().is_ok());
    }
}

/// Waits for input, for room in a connection that has something to send, or for this long.
fn await_work(listener: &TcpListener, clients: &[Client], wait: Duration) -> io::Result<()> {
    let mut watched = vec![PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
    watched.extend(clients.iter().map(|client| {
        let mut wanted = PollFlags::POLLIN;
        wanted.set(PollFlags::POLLOUT, !client.outbound.is_empty());
        PollFd::new(client.stream.as_fd(), wanted)
    }));
    sockets::await_any(&mut watched, wait)
}

/// Takes every connection that waits.
fn accept(listener: &TcpListener, clients: &mut Vec<Client>) -> io::Result<()> {
    while let Some(stream) = sockets::accept(listener)? {
        clients.push(Client {
            stream,
            key: None,
            inbound: Vec::new(),
            outbound: Vec::new(),
        });
    }
    Ok(())
}

impl Client {
    /// Takes what has come; its packets wait for their time.
    fn take(&mut self, held: &mut Held<Carried>, knob: &mut Knob) -> io::Result<()> {
        let mut chunk = [0; CHUNK];
        match self.stream.read(&mut chunk) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(length) => self.inbound.extend(&chunk[..length]),
            Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(cause) => return Err(cause),
        }
        while let Some(frame) = frame::take(&mut self.inbound)? {
            match (frame.kind, self.key) {
                (Kind::ClientInfo, _) => self.key = Some(frame.key),
                (Kind::SendPacket, Some(own)) => {
                    let now = Instant::now();
                    if !held.push(now + knob.value(now), (frame.key, own, frame.packet)) {
                        eprintln!("drop a packet: {HELD} are held");
                    }
                }
                // A packet before the key, or one that only a server sends.
                (Kind::SendPacket, None) | (Kind::ReceivePacket, _) => {
                    return Err(io::ErrorKind::InvalidData.into());
                }
            }
        }
        Ok(())
    }

    fn queue(&mut self, from: &Key, packet: &[u8]) {
        if self.outbound.len() + packet.len() > WAITING {
            eprintln!(
                "drop a packet of {} bytes: its receiver is slow",
                packet.len()
            );
            return;
        }
        frame::write(&mut self.outbound, Kind::ReceivePacket, from, packet);
    }

    /// Sends as much as the connection takes.
    fn flush(&mut self) -> io::Result<()> {
        while !self.outbound.is_empty() {
            match self.stream.write(&self.outbound) {
                Ok(length) => drop(self.outbound.drain(..length)),
                Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(cause) => return Err(cause),
            }
        }
        Ok(())
    }
}
