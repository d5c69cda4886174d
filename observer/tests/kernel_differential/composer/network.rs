//! IP packets of both versions, with fragments, options and extension headers.

use std::net::Ipv6Addr;

use observer_ebpf::fixtures::Header;
use observer_ebpf::fixtures::layers::{
    self, DESTINATION, FRAGMENT, HOP_BY_HOP, ICMP, ICMPV6, IPV4, IPV6, ROUTING,
};

use super::{Composer, Depth, NODES, inside};

impl Composer {
    /// An IP packet: its Ethernet type, itself, its headers.
    pub(super) fn packet(&mut self, depth: Depth) -> (u16, Vec<u8>, Vec<Header>) {
        if self.below(2) == 0 {
            self.version_4(depth)
        } else {
            self.version_6(depth)
        }
    }

    pub(super) fn version_4(&mut self, depth: Depth) -> (u16, Vec<u8>, Vec<Header>) {
        let (protocol, load, rest) = self.load(depth, ICMP);
        let fragmentation = self.pick(&[0x4000, 0x4000, 0x4000, 0, 0x2000, 0x2010, 0x0010]);
        let carries = rest.contains(&Header::InnerVxlan);
        let end = |composer: &mut Self| {
            if carries && composer.below(5) > 0 {
                return composer.pick(&NODES);
            }
            let net = composer.pick(&[[10, 42, 1], [10, 42, 2], [192, 168, 105], [100, 64, 0]]);
            [net[0], net[1], net[2], composer.pick(&[1, 2, 3, 11])]
        };
        let (source, destination) = (end(self), end(self));
        let is_pods = |end: &[u8; 4]| end[0] == 10 && !NODES.contains(end);
        let rest = met(rest, !is_pods(&source) && !is_pods(&destination));
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

    pub(super) fn version_6(&mut self, depth: Depth) -> (u16, Vec<u8>, Vec<Header>) {
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
        let ends = if rest.contains(&Header::InnerVxlan) {
            [[0x42, 1], [0x7a, 2], [0x7a, 1]]
        } else {
            [[0x42, 1], [0x42, 2], [0x7a, 1]]
        };
        let end = |[low, last]: [u16; 2]| Ipv6Addr::new(0xfd00 | low, 0, 0, 0, 0, 0, last, 2);
        let (source, destination) = (self.pick(&ends), self.pick(&ends));
        let rest = met(rest, source[0] != 0x42 && destination[0] != 0x42);
        let (source, destination) = (end(source), end(destination));
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
}

/// The headers of a load that are met: what is inside a carrier only where no pod made it.
fn met(mut headers: Vec<Header>, is_carrier: bool) -> Vec<Header> {
    if !is_carrier {
        headers.retain(|header| *header != Header::NestedPacket);
    }
    headers
}
