//! Joins announced SYNs into flows: the initial sequence number is the identity, and with it one end
//! must be equal, or the `TSval` where both ends were rewritten. Ten seconds, then it is forgotten.

use std::collections::{HashMap, VecDeque};

use observer_ebpf::abi::event::Event;
use observer_ebpf::abi::key::FlowKey;
use observer_ebpf::parse::{TCP_ACK, TCP_SYN};

use super::space::is_joinable;
use super::{Passage, Space, Translated, translated};

/// How long a SYN waits for its other keys, nanoseconds.
const WINDOW: u64 = 10_000_000_000;
/// Passages held at once; one more is not joined.
const CAPACITY: usize = 8_192;

/// What could not be joined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JoinerCounts {
    /// SYNs that fit to two flows, or that bore two keys at one place.
    pub ambiguous: u64,
    /// SYNs to a Service that showed under no other key in time, or that found no room.
    pub unmatched: u64,
}

/// What a batch of SYNs amounts to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A flow with two keys or more.
    Joined(Translated),
    /// Keys that were joined before, and wrongly.
    Revoked(Vec<FlowKey>),
}

/// Collects SYNs.
#[derive(Debug, Default)]
pub struct Joiner {
    held: HashMap<Identity, Vec<Group>>,
    order: VecDeque<(u64, Identity)>,
    changed: Vec<Identity>,
    passages: usize,
    counts: JoinerCounts,
}

/// What no NAT rewrites: of a SYN its number, of its answer that and the number that it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Identity {
    sequence: u32,
    ack: u32,
    is_answer: bool,
}

/// The passages of one SYN.
#[derive(Debug)]
struct Group {
    since: u64,
    probe: u32,
    passages: Vec<Passage>,
    state: State,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Open,
    Changed,
    Ambiguous,
    Revoked,
}

impl Joiner {
    /// Takes an announced packet at monotonic time `now`; what is no SYN of a flow that can be
    /// joined is left alone.
    pub fn push(&mut self, event: &Event, space: &Space, now: u64) {
        self.forget(space, now);
        let is_syn = event.tcp_flags & TCP_SYN != 0;
        let Some(passage) =
            Passage::of(event).filter(|passage| is_syn && is_joinable(&passage.key))
        else {
            return;
        };
        if self.passages >= CAPACITY {
            self.counts.unmatched += u64::from(space.service(&passage.key).is_some());
            return;
        }
        let is_answer = event.tcp_flags & TCP_ACK != 0;
        let identity = Identity {
            sequence: event.sequence,
            ack: if is_answer { event.ack } else { 0 },
            is_answer,
        };
        let groups = self.held.entry(identity).or_default();
        let mut fitting = groups
            .iter_mut()
            .filter(|group| group.fits(&passage, event.probe));
        match (fitting.next(), fitting.next()) {
            (Some(_), Some(_)) => self.counts.ambiguous += 1,
            (Some(group), None) => {
                if group.add(passage, &mut self.counts) {
                    self.passages += 1;
                    self.changed.push(identity);
                }
            }
            (None, _) => {
                groups.push(Group {
                    since: now,
                    probe: event.probe,
                    passages: vec![passage],
                    state: State::Open,
                });
                self.order.push_back((now, identity));
                self.passages += 1;
            }
        }
    }

    /// What the SYNs since the last call amount to.
    pub fn outcomes(&mut self) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        for identity in std::mem::take(&mut self.changed) {
            for group in self.held.get_mut(&identity).into_iter().flatten() {
                outcomes.extend(group.outcome());
            }
        }
        outcomes
    }

    /// What could not be joined so far.
    #[must_use]
    pub const fn counts(&self) -> JoinerCounts {
        self.counts
    }

    fn forget(&mut self, space: &Space, now: u64) {
        while let Some(&(since, identity)) = self.order.front() {
            if now.saturating_sub(since) < WINDOW {
                break;
            }
            self.order.pop_front();
            let Some(groups) = self.held.get_mut(&identity) else {
                continue;
            };
            for group in groups.extract_if(.., |group| group.since <= since) {
                self.passages -= group.passages.len();
                self.counts.unmatched += u64::from(group.is_unmatched(space));
            }
            if groups.is_empty() {
                self.held.remove(&identity);
            }
        }
    }
}

impl Group {
    /// One end is equal, or the `TSval` is.
    fn fits(&self, passage: &Passage, probe: u32) -> bool {
        let (source, destination) = passage.ends();
        self.passages.iter().any(|held| {
            let family = (held.key.family, held.key.protocol);
            let ends = held.ends();
            family == (passage.key.family, passage.key.protocol)
                && (ends.0 == source
                    || ends.1 == destination
                    || (probe != 0 && probe == self.probe))
        })
    }

    /// False if it tells nothing new.
    fn add(&mut self, passage: Passage, counts: &mut JoinerCounts) -> bool {
        let mut there = self
            .passages
            .iter()
            .filter(|held| held.site == passage.site);
        match there.next() {
            Some(held) if held.key == passage.key => return false,
            Some(_) if matches!(self.state, State::Open | State::Changed) => {
                self.state = State::Ambiguous;
                counts.ambiguous += 1;
            }
            None if self.state == State::Open => self.state = State::Changed,
            Some(_) | None => {}
        }
        self.passages.push(passage);
        true
    }

    fn outcome(&mut self) -> Option<Outcome> {
        match self.state {
            State::Open | State::Revoked => None,
            State::Changed => {
                self.state = State::Open;
                translated(&self.passages).map(Outcome::Joined)
            }
            State::Ambiguous => {
                self.state = State::Revoked;
                let keys = self.passages.iter().map(|passage| passage.key);
                Some(Outcome::Revoked(keys.collect()))
            }
        }
    }

    fn is_unmatched(&self, space: &Space) -> bool {
        let is_alone = self
            .passages
            .iter()
            .all(|passage| Some(passage.key) == self.passages.first().map(|first| first.key));
        let has_service = |passage: &Passage| space.service(&passage.key).is_some();
        is_alone && self.passages.iter().any(has_service)
    }
}

#[cfg(test)]
mod tests;
