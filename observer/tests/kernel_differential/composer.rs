//! Frames made from a seed: layers at random, most of them true, some with one lie.

#[path = "composer/load.rs"]
mod load;
#[path = "composer/network.rs"]
mod network;

use observer_ebpf::abi::point::Site;
use observer_ebpf::fixtures::Header::{self, Ethernet, NoLink, Vlan};
use observer_ebpf::fixtures::Place;
use observer_ebpf::fixtures::layers::{SERVICE_VLAN, VLAN, ethernet, tag};

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

/// An outer layer, one inside VXLAN, or one inside VXLAN again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    /// Outside, where VXLAN is not opened.
    Closed,
    /// Outside, where it is.
    Outer,
    /// Inside.
    Inner,
    /// Inside a carrier that is inside.
    Nested,
}

/// Addresses that nodes have in the pods' networks: what these send to one another as VXLAN is a carrier.
pub(crate) const NODES: [[u8; 4]; 2] = [[10, 42, 1, 1], [10, 42, 2, 1]];

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
}

/// The header's name by depth.
fn inside(depth: Depth, outer: Header, inner: Header) -> Header {
    match depth {
        Depth::Closed | Depth::Outer => outer,
        Depth::Inner | Depth::Nested => inner,
    }
}
