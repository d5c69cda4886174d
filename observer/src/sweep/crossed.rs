//! What crossed tailscaled's device since the last sweep, by path and by peer: a peer is the VTEP that
//! packets in VXLAN are exchanged with, else the far pod. Pure.

use std::collections::BTreeMap;
use std::net::IpAddr;

use observer_ebpf::abi::biflow::{Carriage, trajectory_bit};
use observer_ebpf::abi::key::PairKey;
use observer_ebpf::abi::point::{FlowDirection, Hook, Point, Site};
use observer_ebpf::abi::row::Row;

use crate::path::{Crossed, Moved, PathTable};

use super::assemble::{Remembered, ends};
use super::nesting::within;
use super::overhead::{WIREGUARD, second_fragment, vxlan};
use super::{Direction, Snapshot};

/// What each peer's paths moved, by [`Hook`] of the device.
#[must_use]
pub fn crossed(
    snapshot: &Snapshot,
    paths: &PathTable,
    remembered: &Remembered,
) -> [BTreeMap<IpAddr, Crossed>; 2] {
    let mut sums = [BTreeMap::new(), BTreeMap::new()];
    for (number, pair) in paths.iter() {
        for direction in FlowDirection::ALL {
            let key = (number, direction);
            let fresh = snapshot.seen.direction(number, direction);
            let known = || remembered.get(&key).map(super::Memory::seen);
            let Some(seen) = fresh.or_else(known) else {
                continue;
            };
            let Some((moved, messages)) = moved(snapshot, key, Some(pair), seen) else {
                continue;
            };
            let of_hook = sums.get_mut(moved.hook as usize);
            if let (Some(sum), Some(peer)) = (of_hook, moved.peer.filter(|_| messages > 0)) {
                let bytes = moved.bytes;
                sum.entry(peer)
                    .or_insert_with(Crossed::default)
                    .add(Crossed { messages, bytes });
            }
        }
    }
    sums
}

/// What one direction of a path moved in the tunnel, and the number of messages that makes; `None` if it
/// is not there, or comes by the tunnel and leaves by it again, which is two paths of tailscaled.
pub(super) fn moved(
    snapshot: &Snapshot,
    (path, direction): (u16, FlowDirection),
    pair: Option<PairKey>,
    seen: &Direction,
) -> Option<(Moved, u64)> {
    let passed = |hook, carriage| {
        let site = Site {
            point: Point::Tunnel,
            hook,
        };
        seen.bits & (1 << trajectory_bit(site, carriage)) != 0
    };
    let through = |hook| passed(hook, Carriage::Plain) || passed(hook, Carriage::Vxlan);
    let hook = match Hook::ALL.map(through) {
        [true, false] => Hook::Ingress,
        [false, true] => Hook::Egress,
        [true, true] | [false, false] => return None,
    };
    let is_vxlan = passed(hook, Carriage::Vxlan);
    let peer = if is_vxlan {
        let mut outer = seen.outer.iter();
        outer.find_map(|&(point, hash)| {
            let mut peers = snapshot.outer.peers(point, hash);
            peers.next().filter(|_| point == Point::Tunnel)
        })
    } else {
        pair.and_then(|pair| {
            let (source, destination) = ends(pair, direction);
            match hook {
                Hook::Ingress => source,
                Hook::Egress => destination,
            }
        })
    };
    let recent = snapshot
        .rows
        .recent(Row::new(path, Point::Tunnel, direction));
    // As long as the peer is not known, flannel's own way: each family in VXLAN over the same.
    let outer = peer.or_else(|| pair.map(|pair| pair.low.into()));
    let within = within(snapshot, seen, Point::Tunnel).bytes();
    let around = u64::from(outer.filter(|_| is_vxlan).map_or(0, vxlan) + within + WIREGUARD);
    let cut = recent.first_outer_fragments;
    let second = u64::from(outer.map_or(0, second_fragment) + WIREGUARD);
    let bytes = recent.bytes + recent.segments * around + cut * second;
    Some((Moved { hook, peer, bytes }, recent.segments + cut))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use observer_ebpf::abi::biflow::{Assignment, BiflowRecord, Trajectory};
    use observer_ebpf::abi::key::{Address, FlowKey};
    use observer_ebpf::abi::outer::{OuterFlowRecord, OuterKey, OuterKind, Within};

    use super::*;
    use crate::sweep::RowValue;

    const EPOCH: u32 = 7;
    const DIRECTION: FlowDirection = FlowDirection::LowToHigh;

    /// One flow from 10.42.1.2 to 10.42.2.2 with three packets of 300 bytes, one of them cut around.
    fn of(carriage: Carriage, hooks: &[Hook]) -> [Vec<(String, u64, u64)>; 2] {
        let vteps = [[100, 64, 0, 1], [100, 64, 0, 2]].map(Address::v4);
        between((vteps, Within::NOTHING), carriage, hooks)
    }

    /// The same between these VTEPs, with this within.
    fn between(
        (vteps, within): ([Address; 2], Within),
        carriage: Carriage,
        hooks: &[Hook],
    ) -> [Vec<(String, u64, u64)>; 2] {
        let mut paths = PathTable::default();
        let [low, high] = [1, 2].map(|node| Address::v4([10, 42, node, 2]));
        let (path, _) = paths.assign(PairKey { low, high }).expect("a number");
        let assignment = Assignment {
            path,
            rate: 0,
            flags: 0,
        };
        let mut flow = BiflowRecord {
            assignment: assignment.word(),
            ..BiflowRecord::default()
        };
        let mut snapshot = Snapshot::default();
        let mut bits = 0;
        for &hook in hooks {
            let site = Site {
                point: Point::Tunnel,
                hook,
            };
            bits |= 1_u64 << trajectory_bit(site, carriage);
            let key = OuterKey {
                session: within.word(),
                ..OuterKey::new(site, OuterKind::Vxlan, vteps[0], vteps[1])
            };
            snapshot.outer.add(key, &OuterFlowRecord::default());
            flow.points[Point::Tunnel.index()].outer[DIRECTION as usize] = key.hash();
        }
        flow.trajectory[DIRECTION as usize] = Trajectory {
            current: u64::from(EPOCH) << 32 | bits,
            previous: 0,
        };
        snapshot.seen.add(&FlowKey::default(), &flow, EPOCH);
        let value = RowValue {
            bytes: 300,
            segments: 3,
            first_outer_fragments: 1,
            ..RowValue::default()
        };
        let row = Row::new(path, Point::Tunnel, DIRECTION);
        snapshot.rows.update(HashMap::from([(row.index(), value)]));
        crossed(&snapshot, &paths, &Remembered::new()).map(|sums| {
            let listed = sums.into_iter();
            listed
                .map(|(peer, sum)| (peer.to_string(), sum.messages, sum.bytes))
                .collect()
        })
    }

    #[test]
    fn packets_in_vxlan_are_the_far_vteps_and_plain_ones_the_far_pods() {
        let [vxlan, plain] = [300 + 3 * 82 + 52, 300 + 3 * 32 + 52];
        for (carriage, hook, peer, bytes) in [
            (Carriage::Vxlan, Hook::Egress, "100.64.0.2", vxlan),
            (Carriage::Vxlan, Hook::Ingress, "100.64.0.1", vxlan),
            (Carriage::Plain, Hook::Egress, "10.42.2.2", plain),
            (Carriage::Plain, Hook::Ingress, "10.42.1.2", plain),
        ] {
            let found = of(carriage, &[hook]);
            assert_eq!(found[hook as usize], [(peer.to_owned(), 4, bytes)]);
            assert_eq!(found[1 - hook as usize], []);
        }
    }

    #[test]
    fn vxlan_over_ipv6_has_longer_headers() {
        let vteps = ["fd7a:115c:a1e0::1", "fd7a:115c:a1e0::2"].map(|text| {
            let address: IpAddr = text.parse().expect(text);
            Address::from(address)
        });
        let [_, went] = between((vteps, Within::NOTHING), Carriage::Vxlan, &[Hook::Egress]);
        let bytes = 300 + 3 * (70 + 32) + (56 + 32);
        assert_eq!(went, [("fd7a:115c:a1e0::2".to_owned(), 4, bytes)]);
    }

    #[test]
    fn what_is_nested_has_the_headers_of_both() {
        let vteps = [[100, 64, 0, 1], [100, 64, 0, 2]].map(Address::v4);
        let within = Within::NOTHING.and(70);
        let [_, went] = between((vteps, within), Carriage::Vxlan, &[Hook::Egress]);
        let bytes = 300 + 3 * (50 + 70 + 32) + (20 + 32);
        assert_eq!(went, [("100.64.0.2".to_owned(), 4, bytes)]);
    }

    #[test]
    fn what_comes_by_the_tunnel_and_leaves_by_it_again_is_no_peers() {
        assert_eq!(of(Carriage::Plain, &Hook::ALL), [vec![], vec![]]);
    }
}
