//! Outer flows of one sweep: who a hash in a flow entry means, and which WireGuard sessions are busy.
//! Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use observer_ebpf::abi::outer::{OuterFlowRecord, OuterKey, OuterKind, Within};
use observer_ebpf::abi::point::{Hook, Point};

use super::legs::Carried;

/// A WireGuard peer that this node sends data to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Session {
    /// Where the packets go.
    pub endpoint: IpAddr,
    /// Underlay that they leave by.
    pub point: Point,
}

/// The outer flows of a sweep.
#[derive(Clone, Debug, Default)]
pub struct OuterFlows {
    peers: HashMap<(Point, u32), BTreeSet<IpAddr>>,
    within: HashMap<(Point, u32), Within>,
    counts: HashMap<OuterKey, Counts>,
    before: HashMap<OuterKey, Counts>,
    idle: HashMap<OuterKey, u16>,
    fragments: u64,
}

/// What an entry counted so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    packets: u64,
    bytes: u64,
    fragments: u64,
}

/// Sweeps without a packet after which an entry is removed: five minutes at the default interval,
/// longer than a WireGuard session lives.
const IDLE_SWEEPS: u16 = 60;

impl OuterFlows {
    /// Begins a new sweep; what was counted last stays for comparison, also of an entry that a read
    /// misses while the map changes under it.
    pub fn begin(&mut self) {
        self.before.extend(self.counts.drain());
        self.peers.clear();
        self.within.clear();
    }

    /// Adds one entry.
    pub fn add(&mut self, key: OuterKey, flow: &OuterFlowRecord) {
        let (Some(point), Some(hook)) = (Point::from_index(key.point), Hook::from_index(key.hook))
        else {
            return;
        };
        if key.kind == OuterKind::Vxlan as u8 {
            let peer = match hook {
                Hook::Ingress => key.source,
                Hook::Egress => key.destination,
            };
            self.peers
                .entry((point, key.hash()))
                .or_default()
                .insert(peer.into());
            let within = self.within.entry((point, key.hash())).or_default();
            *within = Within::from_word(key.session).max(*within);
        }
        let counts = Counts {
            packets: flow.packets,
            bytes: flow.bytes,
            fragments: flow.fragments,
        };
        let before = self.before.get(&key).map_or(0, |before| before.fragments);
        // Less than before: the entry was removed and made again.
        self.fragments += flow.fragments.checked_sub(before).unwrap_or(flow.fragments);
        self.counts.insert(key, counts);
    }

    /// The peers that the (point, hash) of a flow entry may mean: one, but for a hash collision.
    pub fn peers(&self, point: Point, hash: u32) -> impl Iterator<Item = IpAddr> + '_ {
        self.peers
            .get(&(point, hash))
            .into_iter()
            .flatten()
            .copied()
    }

    /// What the (point, hash) of a flow entry says is between it and its outer flow.
    #[must_use]
    pub fn within(&self, point: Point, hash: u32) -> Within {
        self.within.get(&(point, hash)).copied().unwrap_or_default()
    }

    /// All VXLAN peers with the points where they were seen.
    pub fn all_peers(&self) -> impl Iterator<Item = (Point, IpAddr)> + '_ {
        self.peers
            .iter()
            .flat_map(|(&(point, _), peers)| peers.iter().map(move |&peer| (point, peer)))
    }

    /// WireGuard data sessions that this node sent on since the last sweep, by endpoint.
    #[must_use]
    pub fn busy_sessions(&self) -> BTreeMap<Session, u64> {
        let mut busy = BTreeMap::new();
        for Carried { key, packets, .. } in self.carried() {
            let sends = key.hook == Hook::Egress as u8 && key.kind == OuterKind::WireGuard as u8;
            let Some(point) = Point::from_index(key.point).filter(|_| sends) else {
                continue;
            };
            *busy
                .entry(Session {
                    endpoint: key.destination.into(),
                    point,
                })
                .or_default() += packets;
        }
        busy
    }

    /// What crossed underlays since the last sweep.
    pub(super) fn carried(&self) -> impl Iterator<Item = Carried> + '_ {
        self.counts.iter().filter_map(|(&key, counts)| {
            let before = self.before.get(&key).copied().unwrap_or_default();
            let carried = Carried {
                key,
                packets: counts.packets.saturating_sub(before.packets),
                bytes: counts.bytes.saturating_sub(before.bytes),
            };
            let is_underlay = Point::from_index(key.point).is_some_and(Point::is_underlay);
            (is_underlay && carried.packets > 0).then_some(carried)
        })
    }

    /// All outer flows.
    pub(super) fn keys(&self) -> impl Iterator<Item = &OuterKey> {
        self.counts.keys()
    }

    /// Ends a sweep: the entries that no packet used for long and no flow entry refers to. Those of
    /// VXLAN count no packets; they stay as long as a flow holds their hash.
    pub fn retire(&mut self, is_held: impl Fn(Point, u32) -> bool) -> Vec<OuterKey> {
        let mut retired = Vec::new();
        let idle = std::mem::take(&mut self.idle);
        for (&key, counts) in &self.counts {
            let is_vxlan = key.kind == OuterKind::Vxlan as u8;
            let point = Point::from_index(key.point);
            let is_busy = match point {
                Some(point) if is_vxlan => is_held(point, key.hash()),
                _ => self.before.get(&key) != Some(counts),
            };
            let sweeps = if is_busy {
                0
            } else {
                idle.get(&key).map_or(1, |sweeps| sweeps + 1)
            };
            if sweeps >= IDLE_SWEEPS {
                retired.push(key);
            } else {
                self.idle.insert(key, sweeps);
            }
        }
        for key in &retired {
            self.counts.remove(key);
            self.before.remove(key);
        }
        retired
    }

    /// Later fragments of outer packets so far, all outer flows together, also those removed since.
    #[must_use]
    pub const fn fragments(&self) -> u64 {
        self.fragments
    }
}

#[cfg(test)]
mod tests {
    use observer_ebpf::abi::key::Address;
    use observer_ebpf::abi::point::Site;

    use super::*;

    fn key(hook: Hook, kind: OuterKind, session: u32) -> OuterKey {
        let site = Site {
            point: Point::Underlay1,
            hook,
        };
        let (here, peer) = (Address::v4([10, 0, 0, 1]), Address::v4([10, 0, 0, 2]));
        let (source, destination) = match hook {
            Hook::Ingress => (peer, here),
            Hook::Egress => (here, peer),
        };
        OuterKey {
            session,
            ..OuterKey::new(site, kind, source, destination)
        }
    }

    fn flow(packets: u64) -> OuterFlowRecord {
        OuterFlowRecord {
            packets,
            ..OuterFlowRecord::default()
        }
    }

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));

    #[test]
    fn a_hash_names_the_far_end_in_both_directions() {
        let mut flows = OuterFlows::default();
        for hook in Hook::ALL {
            let key = key(hook, OuterKind::Vxlan, 0);
            flows.add(key, &flow(0));
            let peers: Vec<_> = flows.peers(Point::Underlay1, key.hash()).collect();
            assert_eq!(peers, [PEER]);
        }
    }

    #[test]
    fn later_fragments_are_counted_on_when_their_entry_goes_or_a_read_misses_it() {
        let later = key(Hook::Egress, OuterKind::LaterFragment, 0);
        let cut = |fragments| OuterFlowRecord {
            fragments,
            ..flow(fragments)
        };
        let mut flows = OuterFlows::default();
        let mut sums = Vec::new();
        // Seen, grown, missed, there again, removed and made anew.
        for record in [Some(5), Some(7), None, Some(7), Some(2)] {
            flows.begin();
            if let Some(fragments) = record {
                flows.add(later, &cut(fragments));
            }
            sums.push(flows.fragments());
        }
        assert_eq!(sums, [5, 7, 7, 7, 9]);
    }

    #[test]
    fn an_entry_goes_after_sixty_sweeps_without_a_packet_unless_a_flow_holds_it() {
        let session = key(Hook::Egress, OuterKind::WireGuard, 1);
        let vxlan = key(Hook::Egress, OuterKind::Vxlan, 0);
        let mut flows = OuterFlows::default();
        let mut sweep = |packets, is_held| {
            flows.begin();
            flows.add(session, &flow(packets));
            flows.add(vxlan, &flow(0));
            flows.retire(|_, hash| is_held && hash == vxlan.hash())
        };
        for _ in 0..60 {
            assert_eq!(sweep(7, true), []);
        }
        assert_eq!(sweep(8, true), []);
        for _ in 0..59 {
            assert_eq!(sweep(8, true), []);
        }
        assert_eq!(sweep(8, true), [session]);
    }

    #[test]
    fn an_entry_that_a_read_misses_does_not_count_anew_and_a_removed_one_does() {
        let session = key(Hook::Egress, OuterKind::WireGuard, 1);
        let mut flows = OuterFlows::default();
        let mut sweep = |packets: Option<u64>| {
            flows.begin();
            if let Some(packets) = packets {
                flows.add(session, &flow(packets));
            }
            let new: u64 = flows.busy_sessions().values().sum();
            (new, flows.retire(|_, _| false).len())
        };
        assert_eq!(sweep(Some(5)), (5, 0));
        assert_eq!(sweep(None), (0, 0));
        assert_eq!(sweep(Some(7)), (2, 0));
        while sweep(Some(7)).1 == 0 {}
        assert_eq!(sweep(Some(3)), (3, 0), "made anew");
    }

    #[test]
    fn only_sessions_with_new_packets_of_ours_are_busy() {
        let mut flows = OuterFlows::default();
        flows.add(key(Hook::Egress, OuterKind::WireGuard, 1), &flow(5));
        flows.begin();
        flows.add(key(Hook::Egress, OuterKind::WireGuard, 1), &flow(5));
        flows.add(
            key(Hook::Egress, OuterKind::WireGuardHandshake, 0),
            &flow(9),
        );
        flows.add(key(Hook::Ingress, OuterKind::WireGuard, 2), &flow(9));
        assert_eq!(flows.busy_sessions(), BTreeMap::new());
        flows.add(key(Hook::Egress, OuterKind::WireGuard, 1), &flow(8));
        let session = Session {
            endpoint: PEER,
            point: Point::Underlay1,
        };
        assert_eq!(flows.busy_sessions(), BTreeMap::from([(session, 3)]));
    }
}
