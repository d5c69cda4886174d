//! The translated flows of this node: what `translations` in the kernel holds, when each was last
//! seen, and which Services the real paths are reached by.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};

use observer_ebpf::abi::key::FlowKey;

/// Flows at once: half of what the kernel's map holds, since an LRU evicts before it is full.
const CAPACITY: usize = 4_096;
/// Flows that are kept when there are more: a quarter less, so that the search for the oldest is
/// rare.
const KEPT: usize = CAPACITY / 4 * 3;
/// How long a translation outlives its flow's entry, nanoseconds: as long as a closed connection
/// keeps its ports (Linux: `TCP_TIMEWAIT_LEN`).
const EXPIRY: u64 = 60_000_000_000;
/// Services shown per path.
const SERVICES: usize = 8;

/// Translated flows and Services.
#[derive(Debug, Default)]
pub struct Known {
    flows: HashMap<FlowKey, Flow>,
    services: BTreeMap<u16, BTreeSet<(IpAddr, SocketAddr)>>,
}

#[derive(Debug)]
struct Flow {
    path: u16,
    flags: u8,
    seen: u64,
    is_short: bool,
}

impl Known {
    /// Notes a flow's path at monotonic time `now`; true if the kernel does not know it yet.
    pub fn note(&mut self, key: FlowKey, path: u16, flags: u8, now: u64) -> bool {
        let flow = Flow {
            path,
            flags,
            seen: now,
            is_short: false,
        };
        let before = self.flows.insert(key, flow);
        before.is_none_or(|before| (before.path, before.flags) != (path, flags))
    }

    /// Every flow with its path and flags.
    pub fn flows(&self) -> impl Iterator<Item = (&FlowKey, u16, u8)> {
        self.flows
            .iter()
            .map(|(key, flow)| (key, flow.path, flow.flags))
    }

    /// True if the flow is translated.
    #[must_use]
    pub fn has(&self, key: &FlowKey) -> bool {
        self.flows.contains_key(key)
    }

    /// Notes that the flow's entry is there at `now`; false if the flow is not translated.
    pub fn refresh(&mut self, key: &FlowKey, now: u64) -> bool {
        self.flows
            .get_mut(key)
            .map(|flow| flow.seen = now)
            .is_some()
    }

    /// True once for a flow that ended before it could take its path.
    pub fn is_newly_short(&mut self, key: &FlowKey) -> bool {
        self.flows
            .get_mut(key)
            .is_some_and(|flow| !std::mem::replace(&mut flow.is_short, true))
    }

    /// Forgets a flow; true if it was translated.
    pub fn remove(&mut self, key: &FlowKey) -> bool {
        self.flows.remove(key).is_some()
    }

    /// Forgets a path and its flows, which are returned.
    pub fn retire(&mut self, path: u16) -> Vec<FlowKey> {
        self.services.remove(&path);
        self.take(|flow| flow.path == path)
    }

    /// Forgets the flows whose entries are gone for long, or that are too many; they are returned.
    pub fn expire(&mut self, now: u64) -> Vec<FlowKey> {
        let mut gone = self.take(|flow| now.saturating_sub(flow.seen) >= EXPIRY);
        if self.flows.len() > CAPACITY {
            let mut ages: Vec<_> = self
                .flows
                .iter()
                .map(|(key, flow)| (flow.seen, *key))
                .collect();
            ages.sort_unstable_by_key(|(seen, _)| *seen);
            ages.truncate(self.flows.len() - KEPT);
            for (_, key) in ages {
                self.flows.remove(&key);
                gone.push(key);
            }
        }
        gone
    }

    /// Notes that the pod of this address, an end of the path, is reached by a Service.
    pub fn add_service(&mut self, path: u16, pod: IpAddr, service: SocketAddr) {
        let services = self.services.entry(path).or_default();
        if services.len() < SERVICES {
            services.insert((pod, service));
        }
    }

    /// The Services that an end of a path is reached by, as far as they were seen.
    pub fn services(&self, path: u16, pod: IpAddr) -> impl Iterator<Item = SocketAddr> {
        let services = self.services.get(&path).into_iter().flatten();
        services
            .filter(move |(held, _)| *held == pod)
            .map(|(_, service)| *service)
    }

    fn take(&mut self, is_gone: impl Fn(&Flow) -> bool) -> Vec<FlowKey> {
        let gone = self.flows.extract_if(|_, flow| is_gone(flow));
        gone.map(|(key, _)| key).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::passage::tests::{BACKEND, CLIENT, SERVICE, key};
    use super::*;

    const S: u64 = 1_000_000_000;

    fn flow(port: u16) -> FlowKey {
        key((CLIENT.0, port), SERVICE)
    }

    #[test]
    fn a_flow_is_news_when_its_path_or_flags_change() {
        let mut known = Known::default();
        assert!(known.note(flow(1), 4, 0, S));
        assert!(!known.note(flow(1), 4, 0, 2 * S));
        assert!(known.note(flow(1), 5, 0, 2 * S));
        assert!(known.note(flow(1), 5, 1, 2 * S));
        assert!(known.has(&flow(1)) && !known.has(&flow(2)));
    }

    #[test]
    fn a_flow_outlives_its_entry_by_a_minute_and_its_path_by_nothing() {
        let mut known = Known::default();
        known.note(flow(1), 4, 0, S);
        known.note(flow(2), 5, 0, S);
        let pod = IpAddr::from(BACKEND.0);
        let service = SocketAddr::from(SERVICE);
        known.add_service(5, pod, service);
        assert!(known.refresh(&flow(2), 40 * S) && !known.refresh(&flow(3), S));
        assert_eq!(known.expire(61 * S), [flow(1)]);
        assert_eq!(known.services(5, pod).collect::<Vec<_>>(), [service]);
        let client = IpAddr::from(CLIENT.0);
        assert_eq!(known.services(5, client).count(), 0);
        assert_eq!(known.retire(5), [flow(2)]);
        assert_eq!(known.services(5, pod).count(), 0);
        assert_eq!(known.expire(200 * S), []);
    }

    #[test]
    fn too_many_flows_lose_the_oldest() {
        let mut known = Known::default();
        for port in 0..=u16::try_from(CAPACITY).expect("a small number") {
            known.note(flow(port), 4, 0, u64::from(port / 1_000));
        }
        let gone = known.expire(10_000);
        assert_eq!(known.flows.len(), KEPT);
        assert!(gone.contains(&flow(0)) && known.has(&flow(4_096)));
        assert_eq!(gone.len(), CAPACITY + 1 - KEPT);
    }

    #[test]
    fn a_short_flow_is_short_once() {
        let mut known = Known::default();
        known.note(flow(1), 4, 0, S);
        assert!(known.is_newly_short(&flow(1)));
        assert!(!known.is_newly_short(&flow(1)) && !known.is_newly_short(&flow(2)));
    }
}
