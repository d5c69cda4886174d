//! Echo requests of our own to one address, on a raw socket of the calling thread's namespace.

use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use crate::lab::kernel::{Fragmenting, set_fragmenting};

/// Length of the ICMP header.
const HEADER: usize = 8;
/// The largest packet that is no jumbogram.
const LARGEST: usize = 65_535;

/// A sender of echo requests that knows its own replies.
#[derive(Debug)]
pub(crate) struct Echo {
    socket: Socket,
    target: IpAddr,
    identifier: u16,
    sequence: u16,
    buffer: Vec<u8>,
}

/// Types of an echo request and its reply (RFC 792, RFC 4443).
#[derive(Debug, Clone, Copy)]
struct Types {
    request: u8,
    reply: u8,
}

impl Types {
    const fn towards(target: IpAddr) -> Self {
        match target {
            IpAddr::V4(_) => Self {
                request: 8,
                reply: 0,
            },
            IpAddr::V6(_) => Self {
                request: 128,
                reply: 129,
            },
        }
    }
}

impl Echo {
    /// Opens a raw socket in the calling thread's namespace, for this address alone.
    pub(crate) fn open(target: IpAddr) -> io::Result<Self> {
        let protocol = if target.is_ipv4() {
            Protocol::ICMPV4
        } else {
            // The kernel writes its checksum, which covers addresses (RFC 3542, section 3.1).
            Protocol::ICMPV6
        };
        let end = SocketAddr::new(target, 0);
        let socket = Socket::new(Domain::for_address(end), Type::RAW, Some(protocol))?;
        let identifier = fastrand::u16(..);
        Ok(Self {
            socket,
            target,
            identifier,
            sequence: 0,
            buffer: vec![0; LARGEST],
        })
    }

    /// Lets requests be cut, or refuses those that would have to be.
    pub(crate) fn set_fragmenting(&self, wanted: Fragmenting) -> io::Result<()> {
        set_fragmenting(&self.socket, self.target, wanted)
    }

    /// Sends one request with `payload` bytes and waits for its reply: the round-trip time, or
    /// none if it does not come in time.
    pub(crate) fn exchange(
        &mut self,
        payload: usize,
        patience: Duration,
    ) -> io::Result<Option<Duration>> {
        self.sequence = self.sequence.wrapping_add(1);
        let kind = Types::towards(self.target).request;
        let request = request(kind, self.identifier, self.sequence, payload);
        let sent = Instant::now();
        let end = SocketAddr::new(self.target, 0);
        self.socket.send_to(&request, &end.into())?;
        loop {
            let left = patience.saturating_sub(sent.elapsed());
            if left.is_zero() {
                return Ok(None);
            }
            self.socket.set_read_timeout(Some(left))?;
            match self.socket.read(&mut self.buffer) {
                Ok(length) if self.is_own_reply(length) => return Ok(Some(sent.elapsed())),
                Ok(_) => {}
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
                Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(cause) => return Err(cause),
            }
        }
    }

    /// A raw socket sees every ICMP packet of the namespace: take only the awaited reply. With IPv4 it
    /// hands out the IP header too, with IPv6 the identifier has to do.
    fn is_own_reply(&self, length: usize) -> bool {
        let packet = self.buffer.get(..length).unwrap_or_default();
        let header = match self.target {
            IpAddr::V4(target) if packet.get(12..16) != Some(&target.octets()) => return false,
            IpAddr::V4(_) => usize::from(packet[0] & 0x0f) * 4,
            IpAddr::V6(_) => 0,
        };
        let Some(icmp) = packet.get(header..header + HEADER) else {
            return false;
        };
        let [id_high, id_low] = self.identifier.to_be_bytes();
        let [high, low] = self.sequence.to_be_bytes();
        let reply = Types::towards(self.target).reply;
        icmp[0] == reply && icmp[4..8] == [id_high, id_low, high, low]
    }
}

/// An echo request with the checksum of ICMP for IPv4.
fn request(kind: u8, identifier: u16, sequence: u16, payload: usize) -> Vec<u8> {
    let mut packet = vec![kind, 0, 0, 0];
    packet.extend(identifier.to_be_bytes());
    packet.extend(sequence.to_be_bytes());
    packet.resize(HEADER + payload, 0x5a);
    let [high, low] = checksum(&packet).to_be_bytes();
    packet[2] = high;
    packet[3] = low;
    packet
}

/// The Internet checksum (RFC 1071) of a message.
fn checksum(message: &[u8]) -> u16 {
    let words = message.chunks(2).map(|pair| {
        u32::from(u16::from_be_bytes([
            pair[0],
            pair.get(1).copied().unwrap_or_default(),
        ]))
    });
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{checksum, request};

    #[test]
    fn request_with_its_checksum_sums_to_zero() {
        for payload in [0, 1, 56, 1422] {
            assert_eq!(
                checksum(&request(8, 0xbeef, 7, payload)),
                0,
                "payload {payload}"
            );
        }
    }
}
