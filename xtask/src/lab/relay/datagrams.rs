//! The peer relay: a datagram of one end of a session goes to its other end, header and all.

use std::io;
use std::net::{SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::Instant;

use nix::poll::{PollFd, PollFlags};

use super::{HELD, IDLE, Session, geneve};
use crate::lab::held::Held;
use crate::lab::knob::Knob;
use crate::lab::sockets::await_any;

/// Longest datagram.
const DATAGRAM: usize = 65_536;
/// Datagrams taken before due ones are looked at again.
const BURST: usize = 64;

/// Carries datagrams, for ever.
pub(super) fn run(listen: SocketAddrV4, sessions: &[Session], delay: PathBuf) -> io::Result<()> {
    let socket = UdpSocket::bind(listen)?;
    socket.set_nonblocking(true)?;
    let mut knob = Knob::new(delay);
    let mut held: Held<(SocketAddrV4, Vec<u8>)> = Held::new(HELD);
    let mut buffer = vec![0; DATAGRAM];
    loop {
        let wait = held
            .wait(Instant::now())
            .map_or(IDLE, |wait| wait.min(IDLE));
        let mut watched = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
        await_any(&mut watched, wait)?;
        for _ in 0..BURST {
            let (length, from) = match socket.recv_from(&mut buffer) {
                Ok(received) => received,
                Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => break,
                Err(cause) => return Err(cause),
            };
            let datagram = &buffer[..length];
            let Some(to) = other_end(sessions, from, datagram) else {
                continue;
            };
            let now = Instant::now();
            if !held.push(now + knob.value(now), (to, datagram.to_vec())) {
                eprintln!("drop a datagram of {length} bytes: {HELD} are held");
            }
        }
        while let Some((to, datagram)) = held.pop(Instant::now()) {
            if let Err(cause) = socket.send_to(&datagram, to) {
                eprintln!("send {} bytes to {to}: {cause}", datagram.len());
            }
        }
    }
}

/// The other end of the session of a datagram; none if it has none, or does not come from an end.
fn other_end(sessions: &[Session], from: SocketAddr, datagram: &[u8]) -> Option<SocketAddrV4> {
    let (vni, _) = geneve::open(datagram)?;
    let [one, other] = sessions.iter().find(|session| session.vni == vni)?.ends;
    match from {
        SocketAddr::V4(from) if from == one => Some(other),
        SocketAddr::V4(from) if from == other => Some(one),
        SocketAddr::V4(_) | SocketAddr::V6(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Session, geneve, other_end};

    #[test]
    fn only_an_end_of_the_session_is_carried_to_the_other() {
        let [one, other, third] =
            [1, 2, 3].map(|host| std::net::SocketAddrV4::new([10, 0, 0, host].into(), 41641));
        let sessions = [Session {
            vni: 7,
            ends: [one, other],
        }];
        let carried = |from: std::net::SocketAddrV4, vni| {
            other_end(&sessions, from.into(), &geneve::header(vni))
        };
        assert_eq!(carried(one, 7), Some(other));
        assert_eq!(carried(other, 7), Some(one));
        assert_eq!((carried(third, 7), carried(one, 8)), (None, None));
    }
}
