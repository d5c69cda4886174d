//! What shows that packets of a path are too long for a part of it.

use std::net::IpAddr;

use observer_ebpf::abi::drop::Place;

/// Sweeps without a further drop after which they are no news.
const LIVE: u16 = 6;

/// Proofs of packets that did not get through for their size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Oversize {
    /// Drops in this node's kernel by place and device, most packets first.
    pub dropped: Vec<Dropped>,
    /// MTUs that ICMP errors announced to a pod of this node, most packets first. What they are about
    /// was dropped elsewhere, or is among the drops: no further loss.
    pub announced: Vec<Announced>,
}

/// What a router told the sender of a path's packets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announced {
    /// Who told it.
    pub from: IpAddr,
    /// The number that stood there, bytes: 0 of routers that name none (RFC 1191, section 4).
    pub number: u32,
    /// Errors.
    pub packets: u64,
    /// Errors since the last report.
    pub recent: u64,
    /// Sweeps without a further one: 0 = there are some now.
    pub quiet: u16,
}

impl Announced {
    /// The MTU that the number is, if it can be one: links of IPv4 take 68 bytes (RFC 791), those of
    /// IPv6 1,280 (RFC 8200, section 5).
    #[must_use]
    pub const fn mtu(&self) -> Option<u32> {
        let least = if self.from.is_ipv4() { 68 } else { 1_280 };
        if self.number < least {
            None
        } else {
            Some(self.number)
        }
    }
}

/// Packets of one path that the kernel dropped at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// Where.
    pub place: Place,
    /// The kernel's reason, without the prefix that all have.
    pub reason: String,
    /// The device that was too narrow, or this node's end of a veth whose other end was.
    pub device: Option<String>,
    /// MTU of the device that was too narrow, bytes.
    pub mtu: u32,
    /// Packets.
    pub packets: u64,
    /// Packets since the last report.
    pub recent: u64,
    /// L3 bytes of the innermost packets.
    pub bytes: u64,
    /// L3 length of the largest innermost packet, bytes.
    pub largest: u32,
    /// Sweeps without a further drop: 0 = there are some now.
    pub quiet: u16,
}

impl Oversize {
    /// Packets that did not get through.
    #[must_use]
    pub fn drops(&self) -> u64 {
        self.dropped.iter().map(|dropped| dropped.packets).sum()
    }

    /// The drops that go on, most packets first.
    pub fn live(&self) -> impl Iterator<Item = &Dropped> {
        self.dropped.iter().filter(|dropped| dropped.quiet <= LIVE)
    }

    /// What is announced of late and can be an MTU, with it; most packets first.
    pub fn told(&self) -> impl Iterator<Item = (&Announced, u32)> {
        let live = self.announced.iter().filter(|told| told.quiet <= LIVE);
        live.filter_map(|told| Some((told, told.mtu()?)))
    }

    /// The smallest MTU that is announced of late and can be one, bytes.
    #[must_use]
    pub fn announced_mtu(&self) -> Option<u32> {
        self.told().map(|(_, mtu)| mtu).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_an_mtu_is_none() {
        let told = |from: &str, number, quiet| Announced {
            from: from.parse().expect("an address"),
            number,
            packets: 1,
            recent: 1,
            quiet,
        };
        for (from, number, mtu) in [
            ("10.42.1.1", 0, None),
            ("10.42.1.1", 67, None),
            ("10.42.1.1", 68, Some(68)),
            ("fd00::1", 1_279, None),
            ("fd00::1", 1_280, Some(1_280)),
        ] {
            assert_eq!(told(from, number, 0).mtu(), mtu, "{number} from {from}");
        }
        let found = Oversize {
            dropped: Vec::new(),
            announced: [(0, 0), (1_400, 0), (1_230, 0), (600, 7)]
                .map(|(number, quiet)| told("10.42.1.1", number, quiet))
                .into(),
        };
        assert_eq!(found.announced_mtu(), Some(1_230));
        assert_eq!(found.drops(), 0);
    }
}
