//! tailscale0 of a lab node: WireGuard on a TUN in user space, as tailscaled carries it.
//! It has fixed endpoints and knows neither discovery nor relays nor routes of the host.

mod config;
mod peers;
mod wire;

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

use boringtun::noise::TunnResult;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;

use self::peers::{Peer, Peers};
use self::wire::{Wire, open_socket};
use super::error::LabError;
use super::kernel::{Layer, open_tun};

pub(crate) use self::config::public_key;
pub use self::config::{Config, PeerConfig, Start};

/// Packets taken from one side before the other is looked at again.
const BURST: usize = 64;
/// How often the protocol's timers are looked at.
const TICK: Duration = Duration::from_millis(100);
/// Buffers: the largest IP packet and room for the WireGuard header and tag.
const BUFFER: usize = 65_536 + 64;
/// Runs the tunnel of a configuration file until the process is ended.
pub fn serve(config: &Path) -> Result<(), LabError> {
    let config = Config::read(config)?;
    // The socket comes first: whoever sees the device may send at once.
    let socket = open_socket(&config)
        .map_err(|cause| LabError::io(format!("open WireGuard port {}", config.port), cause))?;
    let tun = open_tun(&config.device, Layer::Tun)
        .map_err(|cause| LabError::io(format!("make tun device {}", config.device), cause))?;
    let mut tunnel = Tunnel {
        peers: Peers::new(&config),
        mtu: usize::try_from(config.mtu).unwrap_or(BUFFER),
        wire: Wire::new(socket, config.delay_file),
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
    mtu: usize,
}

impl Tunnel {
    /// Begins a handshake with every peer.
    fn greet(&mut self) {
        let mut output = vec![0; BUFFER];
        for peer in self.peers.all() {
            let result = peer.tunnel.format_handshake_initiation(&mut output, false);
            settle(result, peer.endpoint, &mut self.wire);
        }
    }

    fn run(&mut self) -> io::Result<()> {
        let mut input = vec![0; BUFFER];
        let mut output = vec![0; BUFFER];
        let mut ticked = Instant::now();
        loop {
            let now = Instant::now();
            let tick = (ticked + TICK).saturating_duration_since(now);
            self.await_input(self.wire.wait(now).map_or(tick, |wait| wait.min(tick)))?;
            self.wire.flush(Instant::now());
            self.take_datagrams(&mut input, &mut output)?;
            self.take_packets(&mut input, &mut output)?;
            if ticked.elapsed() >= TICK {
                ticked = Instant::now();
                for peer in self.peers.all() {
                    let result = peer.tunnel.update_timers(&mut output);
                    settle(result, peer.endpoint, &mut self.wire);
                }
            }
        }
    }

    fn await_input(&self, patience: Duration) -> io::Result<()> {
        let mut watched = [
            PollFd::new(self.tun.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.wire.as_fd(), PollFlags::POLLIN),
        ];
        match ppoll(&mut watched, Some(TimeSpec::from_duration(patience)), None) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
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
            settle(result, peer.endpoint, &mut self.wire);
        }
        Ok(())
    }

    /// Datagrams of a peer are opened; the inner source has to be in its `AllowedIPs`.
    fn take_datagrams(&mut self, input: &mut [u8], output: &mut [u8]) -> io::Result<()> {
        for _ in 0..BURST {
            let (length, from) = match self.wire.receive(input) {
                Ok((length, SocketAddr::V4(from))) => (length, from),
                Ok((_, SocketAddr::V6(_))) => continue,
                Err(cause) if is_pause(&cause) => return Ok(()),
                Err(cause) => return Err(cause),
            };
            let Some(peer) = self.peers.at(from) else {
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
        .decapsulate(Some((*peer.endpoint.ip()).into()), datagram, output)
    {
        TunnResult::WriteToNetwork(answer) => {
            wire.send(peer.endpoint, answer);
            // A finished handshake frees packets that waited for it.
            while let TunnResult::WriteToNetwork(queued) =
                peer.tunnel.decapsulate(None, &[], output)
            {
                wire.send(peer.endpoint, queued);
            }
        }
        TunnResult::WriteToTunnelV4(packet, source) if peer.allows(source) => {
            if let Err(cause) = tun.write_all(packet) {
                // A device that is down refuses packets; so does a real one.
                eprintln!("deliver {} bytes: {cause}", packet.len());
            }
        }
        TunnResult::WriteToTunnelV4(..)
        | TunnResult::WriteToTunnelV6(..)
        | TunnResult::Done
        | TunnResult::Err(_) => {}
    }
}

/// Sends what the protocol wants sent.
fn settle(result: TunnResult<'_>, to: SocketAddrV4, wire: &mut Wire) {
    match result {
        TunnResult::WriteToNetwork(datagram) => wire.send(to, datagram),
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

/// The destination of an IPv4 packet.
fn destination(packet: &[u8]) -> Option<Ipv4Addr> {
    (packet.first()? >> 4 == 4).then_some(())?;
    let bytes: [u8; 4] = packet.get(16..20)?.try_into().ok()?;
    Some(Ipv4Addr::from(bytes))
}

/// Whether a read has to wait for the next turn: nothing there, or the device is not up yet.
fn is_pause(cause: &io::Error) -> bool {
    cause.kind() == io::ErrorKind::WouldBlock || cause.raw_os_error() == Some(libc::EIO)
}

#[cfg(test)]
mod tests {
    use super::{destination, pad};
    use std::net::Ipv4Addr;

    #[test]
    fn padding_stops_at_the_mtu() {
        let mut buffer = [1; 1400];
        let padded = [84, 1280, 1271, 1370].map(|length| pad(&mut buffer, length, 1280));
        assert_eq!(padded, [96, 1280, 1280, 1370]);
    }

    #[test]
    fn destination_needs_a_whole_ipv4_header() {
        let mut packet = [0; 20];
        packet[0] = 0x45;
        packet[16..].copy_from_slice(&[100, 64, 0, 9]);
        assert_eq!(destination(&packet), Some(Ipv4Addr::new(100, 64, 0, 9)));
        assert_eq!(destination(&packet[..19]), None);
        packet[0] = 0x60;
        assert_eq!(destination(&packet), None);
    }
}
