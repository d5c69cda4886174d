//! Frames made from a seed: layers at random, most of them true, some with one lie.

use std::net::Ipv6Addr;

use observer_ebpf::abi::point::Site;
use observer_ebpf::fixtures::Header::{self, Ethernet, NoLink, Vlan};
use observer_ebpf::fixtures::Place;
use observer_ebpf::fixtures::layers::{
    self, DESTINATION, FRAGMENT, HOP_BY_HOP, ICMP, ICMPV6, IPV4, IPV6, ROUTING, SERVICE_VLAN, TCP,
    UDP, VLAN, ethernet, tag,
};

/// A frame and what is known of it.
pub(crate) struct Composed {
    pub(crate) site: Site,
    pub(crate) bytes: Vec<u8>,
    /// Payload per segment of an aggregate, 0 = none.
    pub(crate) gso_size: u32,
    /// The headers that a parser meets.
    pub(crate) headers: Vec<Header>,
    /// No header lies and none is cut: it must be a packet.
    pub(crate) is_true: bool,
}

/// Numbers from a seed (`SplitMix64`).
pub(crate) struct Composer {
    state: u64,
    is_true: bool,
}

/// An outer layer or one inside VXLAN.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    /// Outside, where VXLAN is not opened.
    Closed,
    /// Outside, where it is.
    Outer,
    /// Inside.
    Inner,
}

impl Composer {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            state: seed,
            is_true: true,
        }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).expect("a bound");
        usize::try_from(self.next() % bound).expect("below a bound")
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }

    fn word(&mut self) -> u16 {
        let [a, b, ..] = self.next().to_le_bytes();
        u16::from_le_bytes([a, b])
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        let length = self.below(most + 1);
        (0..length).map(|_| self.byte()).collect()
    }

    fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    /// Once in so many times true: then something lies.
    fn lies(&mut self, once_in: usize) -> bool {
        let lies = self.below(once_in) == 0;
        self.is_true &= !lies;
        lies
    }

    /// As [`Self::lies`], with one of so many lies.
    fn lie(&mut self, once_in: usize, kinds: usize) -> Option<usize> {
        self.lies(once_in).then(|| self.below(kinds))
    }

    /// The next frame.
    pub(crate) fn frame(&mut self) -> Composed {
        self.is_true = true;
        let place = self.pick(&[Place::Pod, Place::Underlay, Place::Tunnel]);
        let depth = if place == Place::Pod {
            Depth::Closed
        } else {
            Depth::Outer
        };
        let site = self.pick(&place.sites());
        let (kind, mut packet, rest) = self.packet(depth);
        let mut headers = vec![if place == Place::Tunnel {
            NoLink
        } else {
            Ethernet
        }];
        if place == Place::Tunnel {
            if self.lies(60) {
                packet[0] = 0x50 | self.byte() & 0x0f;
            }
        } else {
            (headers, packet) = self.link(headers, kind, packet);
        }
        headers.extend(rest);
        match self.lie(6, 2) {
            Some(0) => {
                let length = self.below(packet.len() + 1);
                packet.truncate(length);
            }
            Some(_) => {
                let index = self.below(packet.len().min(120));
                packet[index] = self.byte();
            }
            None => {}
        }
        Composed {
            site,
            bytes: packet,
            gso_size: self.pick(&[0, 0, 0, 0, 0, 0, 0, 64, 200, 1_348]),
            headers,
            is_true: self.is_true,
        }
    }

    /// An Ethernet header around, at times with tags.
    fn link(
        &mut self,
        mut headers: Vec<Header>,
        kind: u16,
        packet: Vec<u8>,
    ) -> (Vec<Header>, Vec<u8>) {
        let (mut kind, mut load) = (kind, packet);
        if self.lies(40) {
            kind = self.pick(&[0x0806, 0x88cc, 0x0026]);
        }
        let tags = self.pick(&[0, 0, 0, 0, 0, 0, 1, 1, 2, 3]);
        self.is_true &= tags < 3;
        for _ in 0..tags {
            load = tag(kind, &load);
            kind = self.pick(&[VLAN, SERVICE_VLAN]);
        }
        if tags > 0 {
            headers.push(Vlan);
            if self.lies(8) {
                let length = self.below(4 * tags);
                load.truncate(length);
            }
        }
        (headers, ethernet(kind, &load))
    }

    /// An IP packet: its Ethernet type, itself, its headers.
    fn packet(&mut self, depth: Depth) -> (u16, Vec<u8>, Vec<Header>) {
        if self.below(2) == 0 {
            self.version_4(depth)
        } else {
            self.version_6(depth)
        }
    }

    fn version_4(&mut self, depth: Depth) -> (u16, Vec<u8>, Vec<Header>) {
        let (protocol, load, rest) = self.load(depth, ICMP);
        let fragmentation = self.pick(&[0x4000, 0x4000, 0x4000, 0, 0x2000, 0x2010, 0x0010]);
        let end = |composer: &mut Self| {
            let net = composer.pick(&[[10, 42, 1], [10, 42, 2], [192, 168, 105], [100, 64, 0]]);
            [net[0], net[1], net[2], composer.pick(&[1, 2, 3, 11])]
        };
        let (source, destination) = (end(self), end(self));
        let options = vec![1; 4 * self.pick(&[0, 0, 0, 0, 1, 3, 10])];
        let mut header = layers::Ipv4 {
            fragmentation,
            options: &options,
            ..layers::Ipv4::new(source, destination, protocol)
        };
        match self.lie(13, 3) {
            Some(0) => header.first = Some(0x40 | self.byte() & 0x0f),
            Some(1) => header.first = Some(0x65),
            Some(_) => header.total = Some(self.word()),
            None => {}
        }
        let mut headers = vec![inside(depth, Header::Ipv4, Header::InnerIpv4)];
        if !matches!(fragmentation, 0x2010 | 0x0010) {
            headers.extend(rest);
        }
        (IPV4, header.around(&load), headers)
    }

    fn version_6(&mut self, depth: Depth) -> (u16, Vec<u8>, Vec<Header>) {
        let (mut next, mut load, rest) = self.load(depth, ICMPV6);
        let mut headers = vec![inside(depth, Header::Ipv6, Header::InnerIpv6)];
        let chain = self.pick(&[0, 0, 0, 1, 2, 3, 4, 5]);
        let fragment = self.below(10);
        let is_cut = fragment < 3 && (1..5).contains(&chain);
        let is_later = is_cut && fragment == 0;
        if is_cut {
            load = layers::fragment(next, if is_later { 24 } else { 0 }, fragment == 1, &load);
            next = FRAGMENT;
            headers.push(inside(
                depth,
                Header::Ipv6Fragment,
                Header::InnerIpv6Fragment,
            ));
        }
        for _ in usize::from(is_cut)..chain {
            let units = self.pick(&[0, 0, 0, 1, 2]);
            load = layers::extension(next, units, &load);
            next = self.pick(&[HOP_BY_HOP, ROUTING, DESTINATION]);
            headers.push(inside(
                depth,
                Header::Ipv6Extension,
                Header::InnerIpv6Extension,
            ));
        }
        if chain > 0 && self.lies(6) {
            let length = self.below(12);
            load.truncate(length);
        }
        let ends = [[0x42, 1], [0x42, 2], [0x7a, 1]];
        let end = |[low, last]: [u16; 2]| Ipv6Addr::new(0xfd00 | low, 0, 0, 0, 0, 0, last, 2);
        let (source, destination) = (end(self.pick(&ends)), end(self.pick(&ends)));
        let mut header = layers::Ipv6::new(source, destination, next);
        match self.lie(20, 2) {
            Some(0) => header.first = Some(0x45),
            Some(_) => header.payload = Some(self.word()),
            None => {}
        }
        if chain < 5 && !is_later {
            headers.extend(rest);
        }
        (IPV6, header.around(&load), headers)
    }

    /// What an IP packet carries: its protocol, itself, its headers.
    fn load(&mut self, depth: Depth, icmp: u8) -> (u8, Vec<u8>, Vec<Header>) {
        match self.below(10) {
            0..3 => self.segment(depth),
            3 => self.message(depth, icmp),
            4 => (self.pick(&[2, 47, 132, 59]), self.bytes(60), vec![]),
            5..7 if depth != Depth::Inner => self.tunnel(depth),
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
        let kind = self.pick(&[8, 0, 128, 129, 3]);
        let payload = self.bytes(64);
        let (identifier, sequence) = (self.word() & 3, self.word() & 7);
        let mut message = layers::echo(kind, identifier, sequence, &payload);
        if self.lies(10) {
            let length = self.below(8);
            message.truncate(length);
        }
        let header = if icmp == ICMP {
            inside(depth, Header::Icmp, Header::InnerIcmp)
        } else {
            inside(depth, Header::Icmpv6, Header::InnerIcmpv6)
        };
        (icmp, message, vec![header])
    }

    fn datagram(&mut self, depth: Depth) -> (u8, Vec<u8>, Vec<Header>) {
        let mut headers = vec![inside(depth, Header::Udp, Header::InnerUdp)];
        let length = 32 + 16 * self.below(8);
        let index = [self.byte() & 3, 0, 0, 1];
        let destination = if depth == Depth::Inner {
            self.pick(&[5_201, 41_641, 8_472, 53])
        } else {
            self.pick(&[5_201, 41_641, 53])
        };
        let payload = match self.below(4) {
            0 if destination != 8_472 => {
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
            2 if depth != Depth::Inner => {
                headers.push(Header::Disco);
                layers::disco(62 + length)
            }
            _ if destination == 8_472 => {
                headers.push(Header::InnerVxlan);
                layers::vxlan(0x08, &[0x5a; 40])
            }
            _ => vec![0xaa; length],
        };
        (UDP, self.udp(41_641, destination, &payload), headers)
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
        (UDP, self.udp(51_000, 8_472, &vxlan), headers)
    }
}

/// The header's name by depth.
fn inside(depth: Depth, outer: Header, inner: Header) -> Header {
    match depth {
        Depth::Closed | Depth::Outer => outer,
        Depth::Inner => inner,
    }
}
