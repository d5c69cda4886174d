//! UDP datagrams of many flows from one raw socket, as a port scan or a crowd of small flows makes
//! them. Nobody answers: the target's namespace can be told to drop them unseen.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;
use socket2::{Domain, Protocol, Socket, Type};

use super::{Place, Stop, TrafficError};
use crate::lab::netns::{Tool, batch};

/// Datagrams that change their flow at each packet.
#[derive(Debug, Clone)]
pub struct Scan {
    /// Whose namespace sends, with its own address unless `sources` says others.
    pub client: Place,
    /// Sender addresses, in turn; empty = the client's own.
    pub sources: Vec<Ipv4Addr>,
    /// Receiver addresses: each source sends to all of them before the next one's turn.
    pub targets: Vec<Ipv4Addr>,
    /// Pairs of ports, in turn; at most [`MOST_PORTS`] differ.
    pub ports: u32,
    /// Datagrams in all.
    pub count: u64,
    /// Datagrams per second; 0 = as many as the machine sends.
    pub rate: u32,
    /// UDP payload of each, bytes.
    pub size: usize,
}

/// Source ports x target ports that differ.
pub const MOST_PORTS: u32 = TARGET_PORTS * SOURCE_PORTS;
/// All from this one on are used.
pub const FIRST_PORT: u16 = 10_000;
const TARGET_PORTS: u32 = 50_000;
const SOURCE_PORTS: u32 = 50_000;

/// What came of it.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct ScanReport {
    /// Datagrams that the kernel took.
    pub sent: u64,
    /// How long that took, seconds.
    pub seconds: f64,
}

/// IPv4 header without options, and UDP header.
const HEADERS: usize = 28;
/// Packets between two looks at the clock.
const BURST: u64 = 16;

impl Scan {
    /// Every datagram another flow, as fast as the machine sends, 18 bytes each: frames of 60.
    #[must_use]
    pub const fn new(client: Place, targets: Vec<Ipv4Addr>, count: u64) -> Self {
        Self {
            client,
            sources: Vec::new(),
            targets,
            ports: MOST_PORTS,
            count,
            rate: 0,
            size: 18,
        }
    }

    /// Drives it to its end.
    pub fn drive(&self, stop: &Stop) -> Result<ScanReport, TrafficError> {
        let action = format!("send datagrams of many flows from {}", self.client.netns);
        let sent = self.client.run(|| self.send(stop))?;
        sent.map_err(TrafficError::socket(action))
    }

    fn send(&self, stop: &Stop) -> io::Result<ScanReport> {
        let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::UDP))?;
        socket.set_header_included_v4(true)?;
        self.client.ipv4()?;
        let mut packet = vec![0x5a; HEADERS + self.size];
        let begun = Instant::now();
        let mut sent = 0;
        for number in 0..self.count {
            if number % BURST == 0 {
                if stop.is_set() {
                    break;
                }
                self.pace(begun, number);
            }
            let Some(target) = self.write(number, &mut packet) else {
                break;
            };
            match socket.send_to(&packet, &SocketAddrV4::new(target, 0).into()) {
                Ok(_) => sent += 1,
                // The device's queue is full: the packet was not sent.
                Err(cause) if cause.raw_os_error() == Some(libc::ENOBUFS) => {}
                Err(cause) => return Err(cause),
            }
        }
        Ok(ScanReport {
            sent,
            seconds: begun.elapsed().as_secs_f64(),
        })
    }

    /// Waits until packet `number` is due.
    fn pace(&self, begun: Instant, number: u64) {
        if self.rate == 0 {
            return;
        }
        let due = Duration::from_nanos(number * 1_000_000_000 / u64::from(self.rate));
        thread::sleep(due.saturating_sub(begun.elapsed()));
    }

    /// Writes the headers of packet `number`; its target, or none without targets.
    fn write(&self, number: u64, packet: &mut [u8]) -> Option<Ipv4Addr> {
        let target = *turn(&self.targets, number)?;
        let round = number / self.targets.len() as u64;
        let source = match turn(&self.sources, round) {
            Some(source) => *source,
            None => self.client.ipv4().ok()?,
        };
        let flow = round / self.sources.len().max(1) as u64 % u64::from(self.ports.max(1));
        let [target_port, source_port] = ports(flow);
        let length = u16::try_from(packet.len()).ok()?;
        let header = [0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0];
        let udp = length.checked_sub(20)?;
        let fields = header
            .into_iter()
            .chain(source.octets())
            .chain(target.octets())
            .chain(source_port.to_be_bytes())
            .chain(target_port.to_be_bytes())
            .chain(udp.to_be_bytes())
            // No checksum (RFC 768). The kernel fills in the IP header's own and its length.
            .chain([0, 0]);
        for (byte, field) in packet.iter_mut().zip(fields) {
            *byte = field;
        }
        Some(target)
    }
}

/// Makes a namespace drop such datagrams unseen, so that no ICMP error answers them, for as long as
/// the namespace lives.
pub fn drop_unseen(netns: &str) -> Result<(), TrafficError> {
    let rules = format!(
        "table ip netpath_scan {{
  chain input {{
    type filter hook input priority -300; policy accept;
    udp sport >= {FIRST_PORT} udp dport >= {FIRST_PORT} udp checksum 0 drop
  }}
}}"
    );
    Ok(batch(Tool::Nft, Some(netns), &[&rules])?)
}

fn turn<T>(list: &[T], number: u64) -> Option<&T> {
    let place = number.checked_rem(list.len() as u64)?;
    list.get(usize::try_from(place).ok()?)
}

/// Target and source port of a flow.
fn ports(flow: u64) -> [u16; 2] {
    let [target, source] = [
        flow % u64::from(TARGET_PORTS),
        flow / u64::from(TARGET_PORTS) % u64::from(SOURCE_PORTS),
    ];
    [target, source].map(|port| FIRST_PORT + u16::try_from(port).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// Source, target and both ports of the first packets.
    fn flows(scan: &Scan, count: u64) -> HashSet<Vec<u8>> {
        let mut packet = vec![0; HEADERS + scan.size];
        let of = |number| {
            scan.write(number, &mut packet).expect("a target");
            packet[12..24].to_vec()
        };
        (0..count).map(of).collect()
    }

    fn addresses(count: u8) -> Vec<Ipv4Addr> {
        (1..=count)
            .map(|last| Ipv4Addr::new(10, 42, 0, last))
            .collect()
    }

    #[test]
    fn every_packet_is_a_flow_of_its_own_until_the_ports_are_used_up() {
        let place = Place::new("a", Ipv4Addr::new(10, 42, 0, 1));
        let scan = Scan::new(place, addresses(1), 0);
        assert_eq!(flows(&scan, 120_000).len(), 120_000);
        let few = Scan { ports: 100, ..scan };
        assert_eq!(flows(&few, 1_000).len(), 100);
    }

    #[test]
    fn all_pairs_of_addresses_come_before_the_next_ports() {
        let place = Place::new("a", Ipv4Addr::new(10, 42, 0, 1));
        let scan = Scan {
            sources: addresses(7),
            ..Scan::new(place, addresses(5), 0)
        };
        let pairs: HashSet<_> = flows(&scan, 35)
            .into_iter()
            .map(|flow| flow[..8].to_vec())
            .collect();
        assert_eq!(pairs.len(), 35);
        let targets: HashSet<_> = flows(&scan, 35)
            .into_iter()
            .map(|flow| flow[8..].to_vec())
            .collect();
        assert_eq!(targets.len(), 1);
    }
}
