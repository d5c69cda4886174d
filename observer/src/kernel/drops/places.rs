//! The functions of the kernel that drop packets for their size, and what is missing where they are not
//! among its symbols. Pure.

use std::collections::BTreeSet;

use observer_ebpf::abi::drop::{Place, STRETCHES, Stretch};

use super::DropsError;
use crate::kernel::symbols::Code;

/// Functions that drop packets for their size (kernel: `net/ipv4/ip_forward.c`, `net/ipv6/ip6_output.c`,
/// `net/bridge/br_forward.c`, `net/bridge/br_netfilter_hooks.c`, `net/core/dev.c`). Of a place with
/// several one is enough: which of them there are is the compiler's and the version's affair.
const FUNCTIONS: [(&str, Place); 7] = [
    ("ip_forward", Place::IpForward),
    ("ip6_forward", Place::Ip6Forward),
    ("br_dev_queue_push_xmit", Place::BridgePort),
    ("br_nf_dev_queue_xmit", Place::BridgeNetfilter),
    ("br_nf_ip_fragment", Place::BridgeNetfilter),
    ("__dev_forward_skb", Place::VethToNode),
    ("__dev_forward_skb2", Place::VethToNode),
];

/// Their names, by place in the list.
pub(super) fn names() -> [&'static str; FUNCTIONS.len()] {
    FUNCTIONS.map(|(name, _)| name)
}

/// What of the functions is known.
#[derive(Debug, Default)]
pub(super) struct Known {
    places: BTreeSet<Place>,
    /// Parts that the program has no room for.
    left_out: u64,
}

impl Known {
    /// What these parts of functions tell.
    pub(super) fn of(code: &[Code]) -> Self {
        let found = code.iter().filter_map(|code| FUNCTIONS.get(code.asked));
        Self {
            places: found.map(|(_, place)| *place).collect(),
            left_out: code.len().saturating_sub(STRETCHES) as u64,
        }
    }

    /// True if every place is known.
    pub(super) fn has_all(&self) -> bool {
        let places = FUNCTIONS.iter().map(|(_, place)| *place);
        self.lacks(&places.collect()).is_empty()
    }

    /// What keeps drops at these places from being seen.
    pub(super) fn gaps(&self, wanted: &BTreeSet<Place>) -> Vec<DropsError> {
        let lacks = self.lacks(wanted);
        let places = (!lacks.is_empty()).then_some(DropsError::Places(lacks));
        let room = (self.left_out > 0).then_some(DropsError::Room(self.left_out));
        places.into_iter().chain(room).collect()
    }

    /// The function, of several the first one, of each place that is not known.
    fn lacks(&self, wanted: &BTreeSet<Place>) -> Vec<&'static str> {
        let unknown = wanted.difference(&self.places);
        let named = unknown.filter_map(|place| {
            let mut held = FUNCTIONS.iter();
            held.find(|(_, held)| held == place)
        });
        named.map(|(name, _)| *name).collect()
    }
}

/// The parts as the program is told them; those beyond its room are left out.
pub(super) fn stretches(code: &[Code]) -> [Stretch; STRETCHES] {
    let mut stretches = [Stretch::default(); STRETCHES];
    for (slot, code) in stretches.iter_mut().zip(code) {
        let place = FUNCTIONS.get(code.asked);
        let place = place.map(|(_, place)| *place as u8);
        *slot = Stretch {
            start: code.start,
            length: u32::try_from(code.length).unwrap_or(u32::MAX),
            place: u32::from(place.unwrap_or(u8::MAX)),
        };
    }
    stretches
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(asked: usize, start: u64) -> Code {
        Code {
            asked,
            start,
            length: 8,
        }
    }

    #[test]
    fn each_part_of_a_function_is_its_place() {
        let code = [code(4, 0x10), code(0, 0x20), code(6, 0x30)];
        let found = stretches(&code);
        let found = found.map(|stretch| Place::from_number(u8::try_from(stretch.place).ok()?));
        let places = [Place::BridgeNetfilter, Place::IpForward, Place::VethToNode];
        assert_eq!(found[..3], places.map(Some));
        assert_eq!(stretches(&[]), [Stretch::default(); STRETCHES]);
    }

    /// Name and number of each gap.
    fn gaps(code: &[Code], wanted: &[Place]) -> Vec<(&'static str, u64)> {
        let gaps = Known::of(code).gaps(&wanted.iter().copied().collect());
        gaps.iter().map(|gap| (gap.reason(), gap.count())).collect()
    }

    #[test]
    fn a_place_that_is_wanted_and_not_there_is_a_gap() {
        let all = [0, 1, 2, 3, 5].map(|asked| code(asked, 0x10 * (1 + asked as u64)));
        assert_eq!(gaps(&all, &Place::ALL[..5]), []);
        assert_eq!(gaps(&all[..2], &[Place::IpForward]), []);
        let bridge = [Place::IpForward, Place::BridgePort];
        assert_eq!(gaps(&all[..2], &bridge), [("drops_no_place", 1)]);
        assert_eq!(gaps(&[], &bridge), [("drops_no_place", 2)]);
        let said = Known::of(&[]).gaps(&BTreeSet::from(bridge))[0].to_string();
        for name in ["ip_forward", "br_dev_queue_push_xmit"] {
            assert!(said.contains(name), "{said}");
        }
    }

    #[test]
    fn parts_beyond_the_room_are_counted() {
        let parts = |count: u64| (0..count).map(|nth| code(0, nth * 8)).collect::<Vec<_>>();
        let room = STRETCHES as u64;
        assert_eq!(gaps(&parts(room), &[Place::IpForward]), []);
        let more = parts(room + 3);
        assert_eq!(gaps(&more, &[Place::IpForward]), [("drops_no_room", 3)]);
    }
}
