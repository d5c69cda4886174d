//! tailscale0 of a lab node: WireGuard on a TUN in user space, as tailscaled carries it.
//! It has fixed endpoints and, where there is one, a relay for peers whose endpoint does not answer.
//! It knows no routes of the host.

mod config;
mod derp;
mod disco;
mod peers;
mod wire;

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

use boringtun::noise::TunnResult;
use nix::poll::{PollFd, PollFlags};

use self::peers::{Peer, Peers};
use self::wire::{Wire, open_socket};
use super::error::LabError;
use super::kernel::{Layer, open_tun};
use super::{config_file, sockets};

pub(crate) use self::config::public_key;
pub use self::config::{Config, PeerConfig, Start, Way};
pub use self::disco::{PING, TRUST};

/// Packets taken from one side before the other is looked at again.
const BURST: usize = 64;
/// How often the protocol's timers are looked at.
const TICK: Duration = Duration::from_millis(100);
/// Buffers: the largest IP packet and room for the WireGuard header and tag.
const BUFFER: usize = 65_536 + 64;
/// Runs the tunnel of a configuration file until the process is ended.
pub fn serve(config: &Path) -> Result<(), LabError> {
    let config: Config = config_file::read("tunnel", config)?;
    // The socket comes first: whoever sees the device may send at once.
    let socket = open_socket(&config)
        .map_err(|cause| LabError::io(format!("open WireGuard port {}", config.port), cause))?;
    let tun = open_tun(&config.device, Layer::Tun)
        .map_err(|cause| LabError::io(format!("make tun device {}", config.device), cause))?;
    let mut tunnel = Tunnel {
        peers: Peers::new(&config),
        mtu: usize::try_from(config.mtu).unwrap_or(BUFFER),
        wire: Wire::new(socket, &config),
        own: public_key(config.private_key),
        pinged: None,
        tun,
    };
    if config.start == Start::Greeting {
        tunnel.greet();
    }
    tunnel
        .run()
        .map_err(|cause| LabError::io(format!("carry {}", config.device), cause))
}

/// The running tunnel.
struct Tunnel {
    tun: File,
    wire: Wire,
    peers: Peers,
    own: [u8; 32],
    pinged: Option<Instant>,
    mtu: usize,
}

impl Tunnel {
    /// Begins a handshake with every peer.
    fn greet(&mut self) {
        let mut output = vec![0; BUFFER];
        for peer in self.peers.all() {
            let result = peer.tunnel.format_handshake_initiation(&mut output, false);
            settle(result, peer.way(Instant::now()), &mut self.wire);
        }
    }

    fn run(&mut self) -> io::Result<()> {
        let mut input = vec![0; BUFFER];
        let mut output = vec![0; BUFFER];
        let mut ticked = Instant::now();
        loop {
            let now = Instant::now();
            let tick = (ticked + TICK).saturating_duration_since(now);
            self.wire.keep_up(now);
            self.ping(now);
            self.await_input(self.wire.wait(now).map_or(tick, |wait| wait.min(tick)))?;
            self.wire.flush(Instant::now());
            self.take_datagrams(&mut input, &mut output)?;
            self.take_packets(&mut input, &mut output)?;
            if ticked.elapsed() >= TICK {
                ticked = Instant::now();
                for peer in self.peers.all() {
                    let result = peer.tunnel.update_timers(&mut output);
                    settle(result, peer.way(Instant::now()), &mut self.wire);
                }
            }
        }
    }

    /// Asks every endpoint that has a relay beside it whether it can be reached.
    fn ping(&mut self, now: Instant) {
        if self.pinged.is_some_and(|pinged| now < pinged + disco::PING) {
            return;
        }
        self.pinged = Some(now);
        let ping = disco::message(disco::Kind::Ping, &self.own);
        for peer in self.peers.all().filter(|peer| peer.relayed.is_some()) {
            self.wire.send(Way::Direct(peer.endpoint), &ping);
        }
    }

    /// Answers a ping of a peer, and believes its pong.
    fn discover(&mut self, kind: disco::Kind, key: &[u8; 32], way: Way) {
        let Some(peer) = self.peers.with_key(key) else {
            return;
        };
        match kind {
            disco::Kind::Ping => {
                let pong = disco::message(disco::Kind::Pong, &self.own);
                self.wire.send(way, &pong);
            }
            disco::Kind::Pong => peer.pong = Some(Instant::now()),
        }
    }

    fn await_input(&self, patience: Duration) -> io::Result<()> {
        let mut watched = self.wire.watched();
        watched.push(PollFd::new(self.tun.as_fd(), PollFlags::POLLIN));
        sockets::await_any(&mut watched, patience)
    }

    /// Packets of the host go to the peer whose `AllowedIPs` hold their destination.
    fn take_packets(&mut self, input: &mut [u8], output: &mut [u8]) -> io::Result<()> {
        for _ in 0..BURST {
            let length = match self.tun.read(input) {
                Ok(length) => length,
                Err(cause) if is_pause(&cause) => return Ok(()),
                Err(cause) => return Err(cause),
            };
            let padded = pad(input, length, self.mtu);
            let Some(peer) = destination(&input[..length]).and_then(|to| self.peers.owner(to))
            else {
                continue;
            };
            let result = peer.tunnel.encapsulate(&input[..padded], output);
            settle(result, peer.way(Instant::now()), &mut self.wire);
        }
        Ok(())
    }

    /// Datagrams of a peer are opened; the inner source has to be in its `AllowedIPs`.
    fn take_datagrams(&mut self, input: &mut [u8], output: &mut [u8]) -> io::Result<()> {
        for _ in 0..BURST {
            let (length, way) = match self.wire.receive(input) {
                Ok(Some(received)) => received,
                Ok(None) => continue,
                Err(cause) if is_pause(&cause) => return Ok(()),
                Err(cause) => return Err(cause),
            };
            if let Some((kind, key)) = disco::read(&input[..length]) {
                self.discover(kind, key, way);
                continue;
            }
            let Some(peer) = self.peers.at(way) else {
                continue;
            };
            open(
                peer,
                &input[..length],
                output,
                &mut self.wire,
                &mut self.tun,
            );
        }
        Ok(())
    }
}

/// Hands a datagram to the protocol and carries out what it asks for.
fn open(peer: &mut Peer, datagram: &[u8], output: &mut [u8], wire: &mut Wire, tun: &mut File) {
    match peer
        .tunnel
        .decapsulate(Some(peer.endpoint.ip()), datagram, output)
    {
        TunnResult::WriteToNetwork(answer) => {
            wire.send(peer.way(Instant::now()), answer);
            // A finished handshake frees packets that waited for it.
            while let TunnResult::WriteToNetwork(queued) =
                peer.tunnel.decapsulate(None, &[], output)
            {
                wire.send(peer.way(Instant::now()), queued);
            }
        }
        TunnResult::WriteToTunnelV4(packet, source) => deliver(peer, packet, source.into(), tun),
        TunnResult::WriteToTunnelV6(packet, source) => deliver(peer, packet, source.into(), tun),
        TunnResult::Done | TunnResult::Err(_) => {}
    }
}

/// Hands a packet to the host if the peer may send from its source.
fn deliver(peer: &Peer, packet: &[u8], source: IpAddr, tun: &mut File) {
    if !peer.allows(source) {
        return;
    }
    if let Err(cause) = tun.write_all(packet) {
        // A device that is down refuses packets; so does a real one.
        eprintln!("deliver {} bytes: {cause}", packet.len());
    }
}

/// Sends what the protocol wants sent.
fn settle(result: TunnResult<'_>, way: Way, wire: &mut Wire) {
    match result {
        TunnResult::WriteToNetwork(datagram) => wire.send(way, datagram),
        TunnResult::Err(_)
        | TunnResult::Done
        | TunnResult::WriteToTunnelV4(..)
        | TunnResult::WriteToTunnelV6(..) => {}
    }
}

/// Fills up with zeroes to a multiple of 16, but not beyond the MTU; returns the new length.
fn pad(buffer: &mut [u8], length: usize, mtu: usize) -> usize {
    let padded = length
        .next_multiple_of(16)
        .min(mtu.max(length))
        .min(buffer.len());
    buffer[length..padded].fill(0);
    padded
}

/// The destination of a packet.
fn destination(packet: &[u8]) -> Option<IpAddr> {
    match packet.first()? >> 4 {
        4 => {
            let bytes: [u8; 4] = packet.get(16..20)?.try_into().ok()?;
            Some(Ipv4Addr::from(bytes).into())
        }
        6 => {
            let bytes: [u8; 16] = packet.get(24..40)?.try_into().ok()?;
            Some(Ipv6Addr::from(bytes).into())
        }
        _ => None,
    }
}

/// Whether a read has to wait for the next turn: nothing there, or the device is not up yet.
fn is_pause(cause: &io::Error) -> bool {
    cause.kind() == io::ErrorKind::WouldBlock || cause.raw_os_error() == Some(libc::EIO)
}

#[cfg(test)]
mod tests {
    use super::{destination, pad};
    use std::net::IpAddr;

    #[test]
    fn padding_stops_at_the_mtu() {
        let mut buffer = [1; 1400];
        let padded = [84, 1280, 1271, 1370].map(|length| pad(&mut buffer, length, 1280));
        assert_eq!(padded, [96, 1280, 1280, 1370]);
    }

    #[test]
    fn destination_needs_a_whole_header_of_its_family() {
        let mut packet = [0; 40];
        packet[0] = 0x45;
        packet[16..20].copy_from_slice(&[100, 64, 0, 9]);
        assert_eq!(destination(&packet), Some(IpAddr::from([100, 64, 0, 9])));
        assert_eq!(destination(&packet[..19]), None);
        packet[0] = 0x60;
        packet[39] = 7;
        let six = IpAddr::from([0, 0, 0, 0, 0, 0, 0, 7]);
        assert_eq!(destination(&packet), Some(six));
        assert_eq!(destination(&packet[..39]), None);
        packet[0] = 0x50;
        assert_eq!(destination(&packet), None);
    }
}
