//! Keeps the kernel's `translations` in line with the flows that were joined, and says which pairs
//! of a pod and a Service need a number of their own: those whose flows show no real ends in time,
//! or are over before they can take their path.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;

use observer_ebpf::abi::biflow::Assignment;
use observer_ebpf::abi::event::Event;
use observer_ebpf::abi::key::{FlowKey, PairKey};
use observer_ebpf::abi::{PATH_REFUSED, PATH_UNKNOWN};

use super::provisional::Provisional;
use crate::config::{Config, Network};
use crate::kernel::{Object, TableError};
use crate::sweep::Standing;
use crate::translation::{Joiner, Known, Outcome, Passage, Space, Translated, translated};

/// How long a flow to a Service may count as unknown, nanoseconds.
const PATIENCE: u64 = 10_000_000_000;
/// Pairs of a pod and a Service that wait at once; a further one waits for its turn.
const WAITING: usize = 1_024;

/// Translated flows, and those that may become so.
pub(super) struct Translations {
    space: Space,
    joiner: Joiner,
    known: Known,
    waiting: HashMap<PairKey, Waiting>,
    wanted: HashSet<PairKey>,
    provisional: Provisional,
    now: u64,
}

/// A pair with flows that were not resolved yet.
struct Waiting {
    since: u64,
    seen: u64,
}

impl Translations {
    pub(super) fn new(config: &Config) -> Self {
        let prefixes = |networks: &[Network]| networks.iter().map(Network::prefix).collect();
        Self {
            space: Space {
                networks: prefixes(&config.networks),
                services: prefixes(&config.services),
            },
            joiner: Joiner::default(),
            known: Known::default(),
            waiting: HashMap::new(),
            wanted: HashSet::new(),
            provisional: Provisional::default(),
            now: 0,
        }
    }

    /// The translated flows.
    pub(super) const fn known(&self) -> &Known {
        &self.known
    }

    /// Takes the announcement of a flow's first packet.
    pub(super) fn announced(&mut self, event: &Event, now: u64) {
        self.now = now;
        self.joiner.push(event, &self.space, now);
    }

    /// The flows that the announcements since the last call show under several keys.
    pub(super) fn joined(&mut self, object: &mut Object) -> Result<Vec<Translated>, TableError> {
        let mut joined = Vec::new();
        for outcome in self.joiner.outcomes() {
            match outcome {
                Outcome::Joined(flow) => joined.push(flow),
                Outcome::Revoked(keys) => {
                    for key in keys {
                        self.forget(object, &key)?;
                    }
                }
            }
        }
        joined.retain(|flow| self.is_inside(flow));
        Ok(joined)
    }

    /// The flow that the records of one reply show under several keys.
    pub(super) fn of_reply(&self, records: &[Event]) -> Option<Translated> {
        let passages: Vec<_> = records.iter().filter_map(Passage::of).collect();
        translated(&passages).filter(|flow| self.is_inside(flow))
    }

    /// Gives a flow's keys the path of its real ends; true if the kernel has to ask again.
    pub(super) fn give(
        &mut self,
        object: &mut Object,
        flow: &Translated,
        assignment: Assignment,
    ) -> Result<bool, TableError> {
        let mut is_news = false;
        for member in &flow.members {
            // Its pair says as much.
            if member.key == flow.real && member.flags == 0 {
                continue;
            }
            let flags = member.flags;
            if self
                .known
                .note(member.key, assignment.path, flags, self.now)
            {
                let word = Assignment {
                    flags,
                    ..assignment
                };
                object.translations.put(&member.key, &word.word())?;
                is_news = true;
            }
        }
        for (pod, service) in flow.services(&self.space) {
            let service = SocketAddr::new(service.address.into(), service.port);
            let pod = pod.address.into();
            self.known.add_service(assignment.path, pod, service);
        }
        Ok(is_news)
    }

    /// Gives all flows another selection rate.
    pub(super) fn retune(&self, object: &mut Object, rate: u8) -> Result<(), TableError> {
        for (key, path, flags) in self.known.flows() {
            let word = Assignment { path, rate, flags }.word();
            object.translations.put(key, &word)?;
        }
        Ok(())
    }

    /// The pairs that a flow's keys show as provisional, such as a masquerading node and its pod,
    /// which also talk themselves; each once.
    pub(super) fn newly_provisional(&mut self, flow: &Translated) -> Vec<PairKey> {
        let real = flow.real.pair();
        let pairs = flow.members.iter().map(|member| member.key.pair());
        let mut new = Vec::new();
        for pair in pairs.filter(|pair| *pair != real) {
            if self.provisional.note(pair, self.now) {
                new.push(pair);
            }
        }
        new
    }

    /// True if flows of this pair may turn out to be translated ones.
    pub(super) fn is_provisional(&self, pair: &PairKey) -> bool {
        self.has_service(pair) || self.provisional.has(pair)
    }

    /// True if the flow's pair is not to be named by its addresses, or not yet.
    pub(super) fn holds_back(&self, key: &FlowKey) -> bool {
        self.known.has(key) || self.space.may_resolve(key)
    }

    /// True if an end of the pair is a Service: its flows say whether it needs a number.
    pub(super) fn has_service(&self, pair: &PairKey) -> bool {
        self.space.is_service(&pair.low) || self.space.is_service(&pair.high)
    }

    /// Begins a sweep.
    pub(super) const fn begin(&mut self, now: u64) {
        self.now = now;
    }

    /// Takes how a flow stands at the end of an epoch.
    pub(super) fn stands(&mut self, key: &FlowKey, standing: Standing) {
        let is_unnamed = matches!(standing.path, PATH_UNKNOWN | PATH_REFUSED);
        if self.known.refresh(key, self.now) {
            self.provisional.refresh(&key.pair(), self.now);
            let is_over = is_unnamed && standing.is_silent;
            if is_over && self.known.is_newly_short(key) && self.has_service(&key.pair()) {
                self.wanted.insert(key.pair());
            }
        } else if is_unnamed && self.space.may_resolve(key) {
            if !standing.is_silent {
                self.wait(key.pair());
            }
        } else if is_unnamed && self.has_service(&key.pair()) {
            self.wanted.insert(key.pair());
        }
    }

    fn wait(&mut self, pair: PairKey) {
        if self.waiting.len() >= WAITING && !self.waiting.contains_key(&pair) {
            return;
        }
        let now = self.now;
        let waiting = self.waiting.entry(pair).or_insert(Waiting {
            since: now,
            seen: now,
        });
        waiting.seen = now;
    }

    /// Ends a sweep: the pairs of a pod and a Service that need a number of their own.
    pub(super) fn wanted(&mut self) -> HashSet<PairKey> {
        let now = self.now;
        self.waiting.retain(|_, waiting| waiting.seen == now);
        let late = self
            .waiting
            .iter()
            .filter(|(_, waiting)| now.saturating_sub(waiting.since) >= PATIENCE);
        self.wanted.extend(late.map(|(pair, _)| *pair));
        std::mem::take(&mut self.wanted)
    }

    /// Forgets a flow whose entry is removed.
    pub(super) fn forget(&mut self, object: &mut Object, key: &FlowKey) -> Result<(), TableError> {
        if self.known.remove(key) {
            object.translations.remove(key)?;
        }
        Ok(())
    }

    /// Forgets the flows of a path that loses its number.
    pub(super) fn retire(&mut self, object: &mut Object, path: u16) -> Result<(), TableError> {
        for key in self.known.retire(path) {
            object.translations.remove(&key)?;
        }
        Ok(())
    }

    /// Forgets what has had no entry for long.
    pub(super) fn expire(&mut self, object: &mut Object) -> Result<(), TableError> {
        for key in self.known.expire(self.now) {
            object.translations.remove(&key)?;
        }
        Ok(())
    }

    /// The pairs that have had no translated flow for long: they are real ones again.
    pub(super) fn no_more_provisional(&mut self) -> Vec<PairKey> {
        self.provisional.expire(self.now)
    }

    /// Adds what could not be joined to the ledger.
    pub(super) fn add_to(&self, ledger: &mut BTreeMap<String, u64>) {
        let counts = self.joiner.counts();
        ledger.insert("translation.ambiguous".to_owned(), counts.ambiguous);
        ledger.insert("translation.unmatched".to_owned(), counts.unmatched);
    }

    /// Both real ends are pods': a path may bear them.
    fn is_inside(&self, flow: &Translated) -> bool {
        self.space.is_networked(&flow.real.low) && self.space.is_networked(&flow.real.high)
    }
}

#[cfg(test)]
mod tests {
    use observer_ebpf::abi::FIRST_PATH;
    use observer_ebpf::abi::key::{Address, Endpoint, Family, FlowKind};

    use crate::config::Overrides;
    use crate::translation::Member;

    use super::*;

    const S: u64 = 1_000_000_000;
    const BUSY: Standing = Standing {
        path: PATH_UNKNOWN,
        is_silent: false,
    };
    const SILENT: Standing = Standing {
        is_silent: true,
        ..BUSY
    };

    fn translations() -> Translations {
        let config = Config::read(None, Overrides::default()).expect("defaults");
        Translations::new(&config)
    }

    /// A flow of a pod to 10.43.0.9.
    fn flow(protocol: u8, port: u16) -> FlowKey {
        between([10, 42, 1, 2], [10, 43, 0, 9], (protocol, port))
    }

    fn between(source: [u8; 4], destination: [u8; 4], (protocol, port): (u8, u16)) -> FlowKey {
        let end = |octets, port| Endpoint {
            address: Address::v4(octets),
            port,
        };
        let kind = (FlowKind::Flow, Family::V4);
        let source = end(source, 40_000);
        FlowKey::canonical(source, end(destination, port), protocol, kind).0
    }

    /// What is wanted after a sweep that saw these flows.
    fn sweep(translations: &mut Translations, now: u64, flows: &[(FlowKey, Standing)]) -> usize {
        translations.begin(now);
        for (key, standing) in flows {
            translations.stands(key, *standing);
        }
        let wanted = translations.wanted();
        let pairs: HashSet<_> = flows.iter().map(|(key, _)| key.pair()).collect();
        assert!(wanted.iter().all(|pair| pairs.contains(pair)));
        wanted.len()
    }

    #[test]
    fn a_flow_that_shows_no_backend_for_ten_seconds_wants_its_services_number() {
        let mut translations = translations();
        let web = [(flow(6, 80), BUSY)];
        assert_eq!(sweep(&mut translations, 5 * S, &web), 0);
        assert_eq!(sweep(&mut translations, 14 * S, &web), 0);
        assert_eq!(sweep(&mut translations, 15 * S, &web), 1);
        // What fell silent in between begins to wait anew.
        assert_eq!(sweep(&mut translations, 20 * S, &[(web[0].0, SILENT)]), 0);
        assert_eq!(sweep(&mut translations, 25 * S, &web), 0);
    }

    #[test]
    fn datagrams_and_dns_want_it_at_once_and_named_flows_never() {
        let mut translations = translations();
        for key in [flow(17, 80), flow(17, 53), flow(6, 53)] {
            assert!(!translations.holds_back(&key));
            assert_eq!(sweep(&mut translations, S, &[(key, BUSY)]), 1);
            let named = Standing {
                path: FIRST_PATH,
                ..BUSY
            };
            assert_eq!(sweep(&mut translations, S, &[(key, named)]), 0);
        }
        assert!(translations.holds_back(&flow(6, 80)));
    }

    #[test]
    fn a_translated_flow_that_is_over_wants_it_once_for_those_to_come() {
        let mut translations = translations();
        let key = flow(6, 80);
        translations.known.note(key, FIRST_PATH, 0, S);
        assert_eq!(sweep(&mut translations, 2 * S, &[(key, BUSY)]), 0);
        assert_eq!(sweep(&mut translations, 7 * S, &[(key, SILENT)]), 1);
        assert_eq!(sweep(&mut translations, 12 * S, &[(key, SILENT)]), 0);
    }

    #[test]
    fn pairs_of_services_and_of_masquerading_nodes_are_provisional_and_real_ones_are_not() {
        let mut translations = translations();
        let real = between([10, 42, 1, 2], [10, 42, 2, 3], (6, 80));
        let masked = between([10, 42, 2, 1], [10, 42, 2, 3], (6, 80));
        let flow_of = |keys: [FlowKey; 2]| Translated {
            real,
            members: keys.map(|key| Member { key, flags: 0 }).to_vec(),
        };
        assert!(translations.is_provisional(&flow(6, 80).pair()));
        assert!(!translations.is_provisional(&masked.pair()));
        let flow = flow_of([real, masked]);
        assert_eq!(translations.newly_provisional(&flow), [masked.pair()]);
        assert_eq!(translations.newly_provisional(&flow), []);
        assert!(translations.is_provisional(&masked.pair()));
        assert!(!translations.is_provisional(&real.pair()));
        translations.known.note(masked, FIRST_PATH, 0, 0);
        let hour = 3_600 * S;
        sweep(&mut translations, hour, &[(masked, SILENT)]);
        assert_eq!(translations.no_more_provisional(), [], "a flow is there");
        sweep(&mut translations, 2 * hour, &[(real, BUSY)]);
        assert_eq!(translations.no_more_provisional(), [masked.pair()]);
        assert!(!translations.is_provisional(&masked.pair()));
    }

    #[test]
    fn a_flow_with_an_end_outside_is_no_path() {
        let translations = translations();
        let mut flow = Translated {
            real: flow(6, 80),
            members: Vec::new(),
        };
        assert!(translations.is_inside(&flow));
        flow.real.low = Address::v4([192, 0, 2, 1]);
        assert!(!translations.is_inside(&flow));
    }
}
