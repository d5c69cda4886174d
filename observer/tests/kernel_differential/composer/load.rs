//! What IP packets carry: segments, messages, datagrams, and VXLAN with another packet.

use observer_ebpf::fixtures::Header;
use observer_ebpf::fixtures::layers::{self, ICMP, TCP, UDP, ethernet};

use super::{Composer, Depth, inside};

impl Composer {
    /// What an IP packet carries: its protocol, itself, its headers.
    pub(super) fn load(&mut self, depth: Depth, icmp: u8) -> (u8, Vec<u8>, Vec<Header>) {
        match self.below(10) {
            0..3 => self.segment(depth),
            3 => self.message(depth, icmp),
            4 => {
                let protocol = self.pick(&[2, 47, 132, 59]);
                // Who listens to a group, the link's own as well.
                self.is_true &= protocol != 2 || icmp != ICMP;
                (protocol, self.bytes(60), vec![])
            }
            5..7 if matches!(depth, Depth::Closed | Depth::Outer) => self.tunnel(depth),
            5..7 => self.carrier(),
            _ => self.datagram(depth),
        }
    }

    fn segment(&mut self, depth: Depth) -> (u8, Vec<u8>, Vec<Header>) {
        let mut options = match self.below(4) {
            0 => vec![],
            1 => layers::stamped(u32::from(self.byte()), u32::from(self.byte())),
            2 => {
                let mut syn = vec![2, 4, 5, 0x78, 4, 2];
                syn.extend(layers::timestamps(u32::from(self.byte()), 0));
                syn.extend([1, 3, 3, 7]);
                syn
            }
            _ => {
                let mut sack = layers::stamped(u32::from(self.byte()), u32::from(self.byte()));
                sack.extend([1, 1, 5, 10, 1, 2, 3, 4, 5, 6, 7, 8]);
                sack
            }
        };
        if self.lies(20) {
            options = vec![self.pick(&[2, 3, 8, 5]), self.pick(&[0, 1, 60])];
            options.extend([1, 1]);
        }
        let mut words = None;
        if self.lies(30) {
            words = Some(self.byte() & 0x0f);
        }
        let payload = self.bytes(150);
        let mut segment = layers::Tcp {
            source: self.pick(&[40_000, 40_001, 40_002]),
            sequence: 1_000 + u32::from(self.byte()),
            flags: self.pick(&[0x02, 0x12, 0x10, 0x18, 0x11, 0x04]),
            options: &options,
            words,
            ..layers::Tcp::default()
        }
        .around(&payload);
        if self.lies(30) {
            let length = self.below(20);
            segment.truncate(length);
        }
        (
            TCP,
            segment,
            vec![inside(depth, Header::Tcp, Header::InnerTcp)],
        )
    }

    fn message(&mut self, depth: Depth, icmp: u8) -> (u8, Vec<u8>, Vec<Header>) {
        let mut headers = vec![if icmp == ICMP {
            inside(depth, Header::Icmp, Header::InnerIcmp)
        } else {
            inside(depth, Header::Icmpv6, Header::InnerIcmpv6)
        }];
        let kind = self.pick(&[8, 0, 128, 129, 13]);
        let (identifier, sequence) = (self.word() & 3, self.word() & 7);
        let mut message = match self.below(8) {
            // The link's own: no packet, unless another protocol has the same number.
            0 => {
                self.is_true &= icmp == ICMP;
                let kind = self.pick(&[130, 131, 132, 133, 134, 135, 136, 137, 143]);
                layers::echo(kind, 0, 0, &self.bytes(64))
            }
            1..4 => layers::echo(kind, identifier, sequence, &self.bytes(64)),
            _ => self.error(icmp, &mut headers),
        };
        if self.lies(10) {
            let length = self.below(8);
            message.truncate(length);
        }
        (icmp, message, headers)
    }

    /// An error about another packet. What that packet lies about is no lie of the error.
    fn error(&mut self, icmp: u8, headers: &mut Vec<Header>) -> Vec<u8> {
        let is_true = std::mem::replace(&mut self.is_true, true);
        let (kind, least, (_, mut quote, _)) = if icmp == ICMP {
            let kind = self.pick(&[3, 3, 4, 5, 11, 12]);
            (kind, 20, self.version_4(Depth::Inner))
        } else {
            let kind = self.pick(&[1, 2, 2, 3, 4]);
            (kind, 40, self.version_6(Depth::Inner))
        };
        let length = match self.below(4) {
            0 => self.below(quote.len() + 1),
            1 => least + 8,
            _ => quote.len(),
        };
        quote.truncate(length);
        if self.is_true && quote.len() >= least {
            headers.push(if icmp == ICMP {
                Header::QuotedIpv4
            } else {
                Header::QuotedIpv6
            });
        }
        self.is_true = is_true;
        let mut message = layers::echo(kind, 0, self.word(), &quote);
        message[1] = self.pick(&[0, 1, 3, 4]);
        message
    }

    fn datagram(&mut self, depth: Depth) -> (u8, Vec<u8>, Vec<Header>) {
        let mut headers = vec![inside(depth, Header::Udp, Header::InnerUdp)];
        let length = 32 + 16 * self.below(8);
        let index = [self.byte() & 3, 0, 0, 1];
        let destination = if matches!(depth, Depth::Inner | Depth::Nested) {
            self.pick(&[5_201, 41_641, 8_472, 4_789, 53])
        } else {
            self.pick(&[5_201, 41_641, 53])
        };
        let payload = match self.below(5) {
            0 if !matches!(destination, 8_472 | 4_789) => {
                headers.push(inside(depth, Header::WireGuard, Header::InnerWireGuard));
                layers::wireguard(4, index, length)
            }
            1 if depth == Depth::Outer => {
                headers.push(Header::Geneve);
                layers::geneve(
                    [0, 0],
                    0x7a12,
                    [0, 0, 7, 0],
                    &layers::wireguard(4, index, length),
                )
            }
            2 if matches!(depth, Depth::Closed | Depth::Outer) => {
                headers.push(Header::Disco);
                layers::disco(62 + length)
            }
            3 => {
                headers.push(Header::Stun);
                layers::stun(self.pick(&[1, 0x0101, 0x0111]), &vec![0x61; length])
            }
            _ if matches!(destination, 8_472 | 4_789) => {
                headers.push(Header::InnerVxlan);
                layers::vxlan(0x08, &[0x5a; 40])
            }
            // Few ids, so that answers meet their queries; at times shorter than a message.
            _ if destination == 53 => {
                let flags = self.pick(&[0x01, 0x81]);
                let mut message = vec![0, self.byte() & 3, flags, 0];
                message.resize(self.pick(&[3, 11, 12, length]), 0);
                message
            }
            _ => vec![0xaa; length],
        };
        let (source, destination) = match destination {
            53 => self.pick(&[(41_641, 53), (53, 41_641), (53, 53)]),
            other => (41_641, other),
        };
        (UDP, self.udp(source, destination, &payload), headers)
    }

    /// A UDP header around, at times a false or short one.
    fn udp(&mut self, source: u16, destination: u16, payload: &[u8]) -> Vec<u8> {
        if self.lies(30) {
            return layers::lying_udp(source, destination, self.word().to_be_bytes(), payload);
        }
        let mut datagram = layers::udp(source, destination, payload);
        if self.lies(30) {
            let length = self.below(8);
            datagram.truncate(length);
        }
        datagram
    }

    /// VXLAN; where it is not opened, a datagram.
    fn tunnel(&mut self, depth: Depth) -> (u8, Vec<u8>, Vec<Header>) {
        let (mut kind, packet, rest) = self.packet(Depth::Inner);
        if self.lies(30) {
            kind = 0x0806;
        }
        let mut load = ethernet(kind, &packet);
        if self.lies(20) {
            let length = self.below(14);
            load.truncate(length);
        }
        let mut vxlan = layers::vxlan(0x08, &load);
        if self.lies(30) {
            let length = self.below(8);
            vxlan.truncate(length);
        }
        let mut headers = vec![Header::Udp];
        if depth == Depth::Outer {
            headers.extend([Header::Vxlan, Header::InnerEthernet]);
            headers.extend(rest);
        }
        let port = self.pick(&[8_472, 4_789]);
        (UDP, self.udp(51_000, port, &vxlan), headers)
    }

    /// VXLAN inside VXLAN. What its inner packet lies about is no lie of the carrier.
    fn carrier(&mut self) -> (u8, Vec<u8>, Vec<Header>) {
        let is_true = std::mem::replace(&mut self.is_true, true);
        let (kind, packet, _) = self.packet(Depth::Nested);
        let mut load = ethernet(kind, &packet);
        if self.lies(10) {
            let length = self.below(load.len());
            load.truncate(length);
        }
        let mut headers = vec![Header::InnerUdp, Header::InnerVxlan];
        if self.is_true {
            headers.push(Header::NestedPacket);
        }
        self.is_true = is_true;
        let vxlan = layers::vxlan(0x08, &load);
        let port = self.pick(&[8_472, 4_789]);
        (UDP, self.udp(51_000, port, &vxlan), headers)
    }
}
