//! Echo requests of our own, on a raw socket of the calling thread's namespace.

use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use crate::lab::kernel::{Fragmenting, set_fragmenting};

/// Type of an echo request; a reply has type 0.
const REQUEST: u8 = 8;
/// Length of the ICMP header.
const HEADER: usize = 8;
/// The largest IPv4 packet.
const LARGEST: usize = 65_535;

/// A sender of echo requests that knows its own replies.
#[derive(Debug)]
pub(crate) struct Echo {
    socket: Socket,
    identifier: u16,
    sequence: u16,
    buffer: Vec<u8>,
}

impl Echo {
    /// Opens a raw socket in the calling thread's namespace.
    pub(crate) fn open() -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4))?;
        let identifier = fastrand::u16(..);
        Ok(Self {
            socket,
            identifier,
            sequence: 0,
            buffer: vec![0; LARGEST],
        })
    }

    /// Sets or clears DF on every request.
    pub(crate) fn set_fragmenting(&self, wanted: Fragmenting) -> io::Result<()> {
        set_fragmenting(&self.socket, wanted)
    }

    /// Sends one request with `payload` bytes and waits for its reply: the round-trip time, or
    /// none if it does not come in time.
    pub(crate) fn exchange(
        &mut self,
        target: Ipv4Addr,
        payload: usize,
        patience: Duration,
    ) -> io::Result<Option<Duration>> {
        self.sequence = self.sequence.wrapping_add(1);
        let request = request(self.identifier, self.sequence, payload);
        let sent = Instant::now();
        self.socket
            .send_to(&request, &SocketAddrV4::new(target, 0).into())?;
        loop {
            let left = patience.saturating_sub(sent.elapsed());
            if left.is_zero() {
                return Ok(None);
            }
            self.socket.set_read_timeout(Some(left))?;
            match self.socket.read(&mut self.buffer) {
                Ok(length) if self.is_own_reply(target, length) => return Ok(Some(sent.elapsed())),
                Ok(_) => {}
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
                Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(cause) => return Err(cause),
            }
        }
    }

    /// A raw socket sees every ICMP packet of the namespace: take only the awaited reply.
    fn is_own_reply(&self, target: Ipv4Addr, length: usize) -> bool {
        let packet = self.buffer.get(..length).unwrap_or_default();
        let header = packet
            .first()
            .map_or(0, |first| usize::from(first & 0x0f) * 4);
        let (Some(source), Some(icmp)) = (packet.get(12..16), packet.get(header..header + HEADER))
        else {
            return false;
        };
        let [id_high, id_low] = self.identifier.to_be_bytes();
        let [high, low] = self.sequence.to_be_bytes();
        source == target.octets() && icmp[0] == 0 && icmp[4..8] == [id_high, id_low, high, low]
    }
}

/// An echo request with its checksum.
fn request(identifier: u16, sequence: u16, payload: usize) -> Vec<u8> {
    let mut packet = vec![REQUEST, 0, 0, 0];
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
                checksum(&request(0xbeef, 7, payload)),
                0,
                "payload {payload}"
            );
        }
    }
}
