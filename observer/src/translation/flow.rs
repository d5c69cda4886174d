//! From the passages of one packet to its flow's real ends: on its way a packet loses its source to
//! masquerading and its destination to a Service's choice, never the other way round. So the first
//! passage has the true source and the last one the true destination.

use observer_ebpf::abi::biflow::Assignment;
use observer_ebpf::abi::key::{Endpoint, Family, FlowKey, FlowKind};
use observer_ebpf::abi::point::{FlowDirection, Hook, Point, Site};

use super::passage::ends;
use super::{Passage, Space};

/// One flow with all its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Translated {
    /// The key that its real ends make; it may be one of the members'.
    pub real: FlowKey,
    /// Its keys, in the order of the packet's way.
    pub members: Vec<Member>,
}

impl Translated {
    /// (real end, Service that stood for it), where a key had one.
    pub fn services<'a>(&'a self, space: &'a Space) -> impl Iterator<Item = (Endpoint, Endpoint)> {
        self.members.iter().flat_map(move |member| {
            let [low, high] = ends(&self.real);
            let (real, seen) = if member.flags & Assignment::TURNED == 0 {
                ([low, high], ends(&member.key))
            } else {
                ([high, low], ends(&member.key))
            };
            let both = real.into_iter().zip(seen);
            both.filter(|(real, seen)| space.is_service(&seen.address) && real != seen)
        })
    }
}

/// One key of a translated flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// The key.
    pub key: FlowKey,
    /// [`Assignment::TURNED`], [`Assignment::ENTERS_ELSEWHERE`].
    pub flags: u8,
}

/// The flow of a packet that passed under two keys or more; `None` if it bore one key only.
#[must_use]
pub fn translated(passages: &[Passage]) -> Option<Translated> {
    let mut way: Vec<&Passage> = passages.iter().collect();
    way.sort_by_key(|passage| passage.time);
    let (first, last) = (way.first()?, way.last()?);
    let family = match first.key.family {
        number if number == Family::V4 as u8 => Family::V4,
        _ => Family::V6,
    };
    let ((source, _), (_, destination)) = (first.ends(), last.ends());
    let kind = (FlowKind::Flow, family);
    let (real, along) = FlowKey::canonical(source, destination, first.key.protocol, kind);
    let mut members: Vec<Member> = Vec::new();
    for passage in &way {
        if !members.iter().any(|member| member.key == passage.key) {
            members.push(Member {
                key: passage.key,
                flags: turned(passage.direction, along),
            });
        }
    }
    if members.len() < 2 {
        return None;
    }
    if crosses_two_ports(&way) {
        for member in &mut members {
            member.flags |= Assignment::ENTERS_ELSEWHERE;
        }
    }
    Some(Translated { real, members })
}

fn turned(direction: FlowDirection, along: FlowDirection) -> u8 {
    if direction == along {
        0
    } else {
        Assignment::TURNED
    }
}

/// The packet entered at one port under one key and left by another under another key.
fn crosses_two_ports(way: &[&Passage]) -> bool {
    let at = |hook| {
        let site = Site {
            point: Point::Port,
            hook,
        };
        way.iter()
            .find(|passage| passage.site == site)
            .map(|passage| passage.key)
    };
    match (at(Hook::Ingress), at(Hook::Egress)) {
        (Some(entered), Some(left)) => entered != left,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::passage::tests::{BACKEND, CLIENT, GATEWAY, SERVICE, key, passage, space};
    use super::*;

    const fn at(point: Point, hook: Hook) -> Site {
        Site { point, hook }
    }

    const PORT_IN: Site = at(Point::Port, Hook::Ingress);
    const PORT_OUT: Site = at(Point::Port, Hook::Egress);
    const OVERLAY_OUT: Site = at(Point::Overlay, Hook::Egress);
    const OVERLAY_IN: Site = at(Point::Overlay, Hook::Ingress);

    #[test]
    fn a_service_gives_way_to_the_backend_and_the_order_of_ends_is_told() {
        // 10.42.1.2 lies below the Service but above the backend.
        let found = translated(&[
            passage(OVERLAY_OUT, CLIENT, BACKEND, 2),
            passage(PORT_IN, CLIENT, SERVICE, 1),
        ])
        .expect("a translation");
        assert_eq!(found.real, key(CLIENT, BACKEND));
        let members: Vec<_> = found
            .members
            .iter()
            .map(|member| (member.key, member.flags))
            .collect();
        assert_eq!(
            members,
            [
                (key(CLIENT, SERVICE), Assignment::TURNED),
                (key(CLIENT, BACKEND), 0)
            ]
        );
        let space = space();
        let services = found.services(&space);
        let services: Vec<_> = services
            .map(|(real, service)| (real.port, service.port))
            .collect();
        assert_eq!(services, [(BACKEND.1, SERVICE.1)]);
    }

    #[test]
    fn a_masquerading_receiver_keeps_the_true_source_in_both_directions() {
        let forth = translated(&[
            passage(OVERLAY_IN, CLIENT, BACKEND, 1),
            passage(PORT_OUT, GATEWAY, BACKEND, 2),
        ]);
        let back = translated(&[
            passage(PORT_IN, BACKEND, GATEWAY, 1),
            passage(OVERLAY_OUT, BACKEND, CLIENT, 2),
        ]);
        let [forth, back] = [forth, back].map(|found| found.expect("a translation"));
        assert_eq!((forth.real, back.real), (key(CLIENT, BACKEND), forth.real));
        let flags = |found: &Translated, wanted| {
            let mut members = found.members.iter();
            members
                .find(|member| member.key == wanted)
                .map(|member| member.flags)
        };
        let gateway = key(GATEWAY, BACKEND);
        assert_eq!(flags(&forth, gateway), flags(&back, gateway));
    }

    #[test]
    fn what_enters_and_leaves_by_ports_under_two_keys_is_marked() {
        let found = translated(&[
            passage(PORT_IN, CLIENT, SERVICE, 1),
            passage(PORT_OUT, CLIENT, BACKEND, 2),
        ])
        .expect("a translation");
        let marked = |member: &Member| member.flags & Assignment::ENTERS_ELSEWHERE != 0;
        assert!(found.members.iter().all(marked), "{found:?}");
    }

    #[test]
    fn one_key_at_many_hooks_is_no_translation() {
        let passages = [
            passage(PORT_IN, CLIENT, BACKEND, 1),
            passage(OVERLAY_OUT, CLIENT, BACKEND, 2),
        ];
        assert_eq!(translated(&passages), None);
        assert_eq!(translated(&[]), None);
    }
}
