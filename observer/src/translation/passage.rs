//! One packet at one hook: the key that it bore there.

use observer_ebpf::abi::event::Event;
use observer_ebpf::abi::key::{Endpoint, FlowKey};
use observer_ebpf::abi::point::{FlowDirection, Hook, Point, Site};

/// A packet's passage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passage {
    /// Where.
    pub site: Site,
    /// The flow's key there.
    pub key: FlowKey,
    /// Direction of the packet under that key.
    pub direction: FlowDirection,
    /// Monotonic nanoseconds.
    pub time: u64,
}

impl Passage {
    /// The passage of an event's packet; `None` if its numbers are no known point, hook or
    /// direction.
    #[must_use]
    pub fn of(event: &Event) -> Option<Self> {
        Some(Self {
            site: Site {
                point: Point::from_index(event.point)?,
                hook: Hook::from_index(event.hook)?,
            },
            key: event.key,
            direction: FlowDirection::from_index(event.direction)?,
            time: event.time.0,
        })
    }

    /// (source, destination) of the packet as it was here.
    #[must_use]
    pub fn ends(&self) -> (Endpoint, Endpoint) {
        let [low, high] = ends(&self.key);
        match self.direction {
            FlowDirection::LowToHigh => (low, high),
            FlowDirection::HighToLow => (high, low),
        }
    }
}

/// Both ends of a key in its order.
pub(super) fn ends(key: &FlowKey) -> [Endpoint; 2] {
    let low = Endpoint {
        address: key.low,
        port: u16::from_be_bytes(key.low_port),
    };
    let high = Endpoint {
        address: key.high,
        port: u16::from_be_bytes(key.high_port),
    };
    [low, high]
}

#[cfg(test)]
pub(super) mod tests {
    use observer_ebpf::abi::control::Prefix;
    use observer_ebpf::abi::key::{Address, Family, FlowKind};

    use super::super::Space;
    use super::*;

    pub(in super::super) type End = ([u8; 4], u16);

    pub(in super::super) const CLIENT: End = ([10, 42, 1, 2], 40_000);
    pub(in super::super) const SERVICE: End = ([10, 43, 0, 9], 80);
    pub(in super::super) const BACKEND: End = ([10, 42, 0, 7], 8_080);
    pub(in super::super) const GATEWAY: End = ([10, 42, 0, 1], 50_123);

    const fn endpoint((octets, port): End) -> Endpoint {
        Endpoint {
            address: Address::v4(octets),
            port,
        }
    }

    /// The key of a TCP flow.
    pub(in super::super) fn key(source: End, destination: End) -> FlowKey {
        let kind = (FlowKind::Flow, Family::V4);
        FlowKey::canonical(endpoint(source), endpoint(destination), 6, kind).0
    }

    /// A TCP packet at a site.
    pub(in super::super) fn passage(
        site: Site,
        source: End,
        destination: End,
        time: u64,
    ) -> Passage {
        let kind = (FlowKind::Flow, Family::V4);
        let (key, direction) = FlowKey::canonical(endpoint(source), endpoint(destination), 6, kind);
        Passage {
            site,
            key,
            direction,
            time,
        }
    }

    /// Pods in 10.42.0.0/16, Services in 10.43.0.0/16.
    pub(in super::super) fn space() -> Space {
        let sixteen = |second| Prefix {
            value: Address::v4([10, second, 0, 0]),
            mask: Address::v6([
                255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0,
            ]),
        };
        Space {
            networks: vec![sixteen(42), sixteen(43)],
            services: vec![sixteen(43)],
        }
    }

    #[test]
    fn a_record_of_unknown_numbers_is_no_passage() {
        let event = Event::default();
        assert!(Passage::of(&event).is_some());
        for broken in [
            Event { point: 8, ..event },
            Event { hook: 2, ..event },
            Event {
                direction: 2,
                ..event
            },
        ] {
            assert_eq!(Passage::of(&broken), None);
        }
    }
}
