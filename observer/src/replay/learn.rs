//! Who talks, by the announcements of a whole capture: the pairs of all flows, and the flows that go
//! through a Service or are masqueraded, whose keys count on the pair of their real ends. Pure.

use std::collections::HashSet;

use observer_ebpf::abi::biflow::Assignment;
use observer_ebpf::abi::event::{Event, EventKind};
use observer_ebpf::abi::key::FlowKey;
use observer_ebpf::abi::{PATH_REFUSED, PATH_UNKNOWN};

use crate::config::{Config, Network};
use crate::host::HostObserver;
use crate::path::PathTable;
use crate::translation::{Joiner, JoinerCounts, Known, Outcome, Space, Translated};

/// Time that the keys of one packet have to come together, nanoseconds: what the agent lets pass between
/// two looks at its ring.
const BATCH: u64 = 50_000_000;
/// Announcements that are held at most.
const MOST: usize = 4_096;

/// Collects announcements.
pub(super) struct Learner {
    space: Space,
    joiner: Joiner,
    batch: Vec<Event>,
    since: u64,
    flows: Vec<Translated>,
    keys: HashSet<FlowKey>,
    revoked: HashSet<FlowKey>,
    /// Pairs of Services whose flows have not shown their real ends yet.
    open: Vec<FlowKey>,
    paths: PathTable,
}

/// What a capture shows of who talks.
pub(super) struct Learnt {
    pub(super) paths: PathTable,
    flows: Vec<Translated>,
    space: Space,
    pub(super) counts: JoinerCounts,
}

impl Learner {
    pub(super) fn new(config: &Config) -> Self {
        let prefixes = |networks: &[Network]| networks.iter().map(Network::prefix).collect();
        Self {
            space: Space {
                networks: prefixes(&config.networks),
                services: prefixes(&config.services),
            },
            joiner: Joiner::default(),
            batch: Vec::new(),
            since: 0,
            flows: Vec::new(),
            keys: HashSet::new(),
            revoked: HashSet::new(),
            open: Vec::new(),
            paths: PathTable::default(),
        }
    }

    /// Takes the announcements of a frame.
    pub(super) fn take(&mut self, events: Vec<Event>, now: u64) {
        if now.saturating_sub(self.since) >= BATCH || self.batch.len() >= MOST {
            self.settle();
            self.since = now;
        }
        let is_announced =
            |event: &Event| EventKind::from_number(event.kind) == Some(EventKind::Announced);
        for event in events.into_iter().filter(is_announced) {
            self.joiner.push(&event, &self.space, now);
            self.batch.push(event);
        }
    }

    /// A flow whose other key is in the same batch is known as translated by here.
    fn settle(&mut self) {
        for outcome in self.joiner.outcomes() {
            match outcome {
                Outcome::Joined(flow) => self.join(flow),
                Outcome::Revoked(keys) => self.revoked.extend(keys),
            }
        }
        for event in std::mem::take(&mut self.batch) {
            if event.path != PATH_UNKNOWN && event.path != PATH_REFUSED {
                continue;
            }
            if self.space.may_resolve(&event.key) {
                self.open.push(event.key);
            } else if !self.keys.contains(&event.key) {
                self.paths.assign(event.key.pair());
            }
        }
    }

    /// Both real ends are pods': a path may bear them.
    fn join(&mut self, flow: Translated) {
        let real = &flow.real;
        if self.space.is_networked(&real.low) && self.space.is_networked(&real.high) {
            self.keys
                .extend(flow.members.iter().map(|member| member.key));
            self.paths.assign(real.pair());
            self.flows.push(flow);
        }
    }

    /// All of it. What goes to a Service and shows no real ends is the Service's.
    pub(super) fn finish(mut self) -> Learnt {
        self.settle();
        for key in std::mem::take(&mut self.open) {
            if !self.keys.contains(&key) || self.revoked.contains(&key) {
                self.paths.assign(key.pair());
            }
        }
        let is_revoked = |flow: &Translated| {
            let mut members = flow.members.iter();
            members.any(|member| self.revoked.contains(&member.key))
        };
        self.flows.retain(|flow| !is_revoked(flow));
        Learnt {
            paths: self.paths,
            flows: self.flows,
            space: self.space,
            counts: self.joiner.counts(),
        }
    }
}

impl Learnt {
    /// Tells an observer which paths the pairs and the translated flows have; answers with the latter.
    pub(super) fn tell(&self, host: &mut HostObserver) -> Known {
        let assignment = |path, flags| Assignment {
            path,
            rate: 0,
            flags,
        };
        for (path, pair) in self.paths.iter() {
            host.pairs.insert(pair, assignment(path, 0));
        }
        let mut known = Known::default();
        for flow in &self.flows {
            let Some(path) = self.paths.number(&flow.real.pair()) else {
                continue;
            };
            for member in &flow.members {
                // Its pair says as much.
                if member.key == flow.real && member.flags == 0 {
                    continue;
                }
                let word = assignment(path, member.flags);
                host.translations.insert(member.key, word);
                known.note(member.key, path, member.flags, 0);
            }
            for (pod, service) in flow.services(&self.space) {
                let service = (std::net::IpAddr::from(service.address), service.port);
                known.add_service(path, pod.address.into(), service.into());
            }
        }
        known
    }
}
