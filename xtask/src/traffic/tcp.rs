//! What TCP itself says about a connection, and how both ends open one.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde::Serialize;
use socket2::{Domain, Protocol, Socket, Type};

use super::pair::PATIENCE;
use super::{Place, Summary};
use crate::lab::kernel::tcp_info;

/// One side of a connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct TcpSide {
    /// The kernel's smoothed round-trip time, read after every exchange.
    pub rtt: Summary,
    /// The shortest round-trip time that the kernel has seen, in microseconds; 0 before the first.
    pub min_rtt_us: u32,
    /// Segments sent again.
    pub retransmits: u32,
    /// Segment size towards the other side.
    pub send_mss: u32,
    /// Path MTU as the socket knows it.
    pub path_mtu: u32,
    /// The local port.
    pub port: u16,
}

/// What stands for a round trip that was not seen: here and in the kernel.
const UNSEEN: [u32; 2] = [0, u32::MAX];

/// Collects `TCP_INFO` while a connection is used.
#[derive(Debug, Default)]
pub(super) struct Sampler {
    rtts: Vec<Duration>,
    side: TcpSide,
    /// Those of connections before this one.
    retransmits_before: u32,
}

impl Sampler {
    /// Reads `TCP_INFO` once.
    pub(super) fn sample(&mut self, stream: &TcpStream) -> io::Result<()> {
        let info = tcp_info(stream)?;
        self.rtts.push(Duration::from_micros(info.tcpi_rtt.into()));
        let shortest = [self.side.min_rtt_us, info.tcpi_min_rtt];
        let seen = shortest.into_iter().filter(|rtt| !UNSEEN.contains(rtt));
        self.side.min_rtt_us = seen.min().unwrap_or_default();
        self.side.retransmits = self.retransmits_before + info.tcpi_total_retrans;
        self.side.send_mss = info.tcpi_snd_mss;
        self.side.path_mtu = info.tcpi_pmtu;
        Ok(())
    }

    /// What comes next is another connection of the same load.
    pub(super) fn reconnect(&mut self) {
        self.retransmits_before = self.side.retransmits;
    }

    /// The side as it was at the last sample, without its port.
    pub(super) fn side(&self) -> TcpSide {
        TcpSide {
            rtt: Summary::of(&self.rtts),
            ..self.side
        }
    }

    /// The side as it was at the last sample.
    pub(super) fn finish(self, stream: &TcpStream) -> io::Result<TcpSide> {
        let port = stream.local_addr()?.port();
        Ok(TcpSide {
            port,
            ..self.side()
        })
    }
}

/// A listening socket at a place; port 0 lets the kernel choose. Returns where it listens.
pub(super) fn listen(place: &Place, port: u16) -> io::Result<(Socket, SocketAddr)> {
    let wanted = SocketAddr::new(place.address, port);
    let domain = Domain::for_address(wanted);
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&wanted.into())?;
    socket.listen(1)?;
    // Also bounds how long `accept` waits.
    socket.set_read_timeout(Some(PATIENCE))?;
    let address = socket.local_addr()?.as_socket();
    Ok((socket, address.ok_or(io::ErrorKind::AddrNotAvailable)?))
}

/// Takes the one connection a load makes.
pub(super) fn accept(listener: &Socket) -> io::Result<TcpStream> {
    let (socket, _) = listener.accept()?;
    prepare(socket.into())
}

/// Connects to a listener.
pub(super) fn connect(to: SocketAddr) -> io::Result<TcpStream> {
    prepare(TcpStream::connect_timeout(&to, PATIENCE)?)
}

/// Bounded waits and no delay for small writes.
pub(super) fn prepare(stream: TcpStream) -> io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}
