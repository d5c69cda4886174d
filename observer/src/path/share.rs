//! Whose packets went by which carrier, where several carriers were in use at once: the modes of the
//! peers under which the sums of all carriers come out right, sweep by sweep. Pure; knows no past.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use super::{Crossed, Leg, RelayMode};

/// Ways to deal modes to peers that are tried at most. Peers beyond, the smallest ones, are not dealt.
const WAYS: usize = 20_000;
/// What one message too many or too few counts for, bytes: two peers with the same traffic are told
/// apart by how often they send.
const MESSAGE: u64 = 100;
/// What the best way may leave unexplained, percent of everything.
const MISFIT: u64 = 10;
/// Any other mode of a peer has to leave so many times as much as the best way, and this on top: two
/// sweeps in which messages were counted at the tunnel before a boundary and outside after it.
const WORSE: u64 = 2;
const BOUNDARY: u64 = 10 * MESSAGE;
/// Bytes that a message is padded with at most.
const PADDING: u64 = 15;
/// A message in a relay's connection has this around it at least (frame header and the peer's key), and
/// this at most (a TLS record of its own, and TCP options).
const IN_TCP: [u64; 2] = [37, 37 + 29];

/// The modes that each peer may have, the likeliest first: one where only one way to deal them fits, none
/// where no way does.
pub(super) fn deal(sweeps: &[&Leg]) -> BTreeMap<IpAddr, Vec<RelayMode>> {
    let mut total = Leg::default();
    for leg in sweeps {
        total.add(leg);
    }
    let relays: BTreeSet<_> = total.relays().map(|(end, _)| end).collect();
    let mut choices: Vec<_> = total
        .carriers()
        .into_iter()
        .filter(|&(_, bytes)| bytes > 0)
        .map(|(mode, _)| Carrier::of(mode, sweeps, &relays))
        .collect();
    choices.push(Carrier::nothing(sweeps.len()));
    let mut peers: Vec<_> = total.peers.iter().collect();
    peers.sort_by_key(|(_, crossed)| std::cmp::Reverse(crossed.bytes));
    let mut ways = 1_usize;
    peers.retain(|_| {
        ways = ways.saturating_mul(choices.len());
        ways <= WAYS
    });
    let peers: Vec<_> = peers.into_iter().map(|(&address, _)| address).collect();
    let mut search = Search {
        series: peers
            .iter()
            .map(|peer| {
                let of = |leg: &&Leg| leg.peers.get(peer).copied().unwrap_or_default();
                sweeps.iter().map(of).collect()
            })
            .collect(),
        least: vec![vec![u64::MAX; choices.len()]; peers.len()],
        chosen: Vec::new(),
        choices,
    };
    search.descend();
    let weight = |crossed: &Crossed| crossed.bytes + MESSAGE * crossed.messages;
    let all: u64 = total.peers.values().map(weight).sum();
    search.modes(peers, all)
}

/// What one mode carried, sweep by sweep, and what the peers dealt to it make.
struct Carrier {
    mode: RelayMode,
    carried: Vec<Crossed>,
    dealt: Vec<Crossed>,
}

impl Carrier {
    fn of(mode: RelayMode, sweeps: &[&Leg], relays: &BTreeSet<SocketAddr>) -> Self {
        let carried = |leg: &&Leg| {
            let bytes = match mode {
                RelayMode::Direct => leg.direct(),
                RelayMode::Overlay => leg.overlay(),
                RelayMode::PeerRelay => leg.peer_relay(),
                RelayMode::Derp => relays.iter().filter_map(|end| leg.tcp.get(end)).sum(),
                RelayMode::None | RelayMode::Unknown => 0,
            };
            let messages = leg.messages.get(&mode).copied().unwrap_or(0);
            Crossed { messages, bytes }
        };
        Self {
            mode,
            carried: sweeps.iter().map(carried).collect(),
            dealt: vec![Crossed::default(); sweeps.len()],
        }
    }

    /// No carrier that is known.
    fn nothing(sweeps: usize) -> Self {
        Self {
            mode: RelayMode::Unknown,
            carried: vec![Crossed::default(); sweeps],
            dealt: vec![Crossed::default(); sweeps],
        }
    }

    /// What this mode leaves unexplained.
    fn misfit(&self) -> u64 {
        let sweeps = self.carried.iter().zip(&self.dealt);
        match self.mode {
            RelayMode::None | RelayMode::Unknown => 0,
            RelayMode::Direct | RelayMode::Overlay | RelayMode::PeerRelay => sweeps
                .map(|(carried, dealt)| {
                    let most = dealt.bytes + PADDING * dealt.messages;
                    outside(carried.bytes, dealt.bytes, most)
                        + MESSAGE * carried.messages.abs_diff(dealt.messages)
                })
                .sum(),
            RelayMode::Derp => sweeps
                .map(|(carried, dealt)| {
                    let [least, most] = IN_TCP.map(|around| around * dealt.messages);
                    let padding = PADDING * dealt.messages;
                    outside(
                        carried.bytes,
                        dealt.bytes + least,
                        dealt.bytes + most + padding,
                    )
                })
                .sum(),
        }
    }
}

/// How far a value is outside of two bounds.
const fn outside(value: u64, least: u64, most: u64) -> u64 {
    least.saturating_sub(value) + value.saturating_sub(most)
}

/// All ways to deal modes to peers.
struct Search {
    /// What each peer moved, sweep by sweep.
    series: Vec<Vec<Crossed>>,
    choices: Vec<Carrier>,
    /// The choices for the first peers.
    chosen: Vec<usize>,
    /// The least that is left unexplained, by peer and choice.
    least: Vec<Vec<u64>>,
}

impl Search {
    fn descend(&mut self) {
        let Some(series) = self.series.get(self.chosen.len()).cloned() else {
            self.judge();
            return;
        };
        for choice in 0..self.choices.len() {
            self.put(choice, &series, u64::wrapping_add);
            self.chosen.push(choice);
            self.descend();
            self.chosen.pop();
            self.put(choice, &series, u64::wrapping_sub);
        }
    }

    /// Deals a peer to a mode, or takes it back.
    fn put(&mut self, choice: usize, series: &[Crossed], sum: fn(u64, u64) -> u64) {
        let Some(carrier) = self.choices.get_mut(choice) else {
            return;
        };
        for (dealt, moved) in carrier.dealt.iter_mut().zip(series) {
            dealt.messages = sum(dealt.messages, moved.messages);
            dealt.bytes = sum(dealt.bytes, moved.bytes);
        }
    }

    fn judge(&mut self) {
        let misfit: u64 = self.choices.iter().map(Carrier::misfit).sum();
        for (&choice, least) in self.chosen.iter().zip(&mut self.least) {
            if let Some(least) = least.get_mut(choice) {
                *least = misfit.min(*least);
            }
        }
    }

    /// The modes that do not leave much more than the best way; `all` is the weight of everything.
    fn modes(&self, peers: Vec<IpAddr>, all: u64) -> BTreeMap<IpAddr, Vec<RelayMode>> {
        let modes = |least: &Vec<u64>| {
            let mut ranked: Vec<_> = least.iter().zip(&self.choices).collect();
            ranked.sort_by_key(|(misfit, _)| **misfit);
            let best = ranked.first().map_or(0, |(misfit, _)| **misfit);
            if best * 100 > all * MISFIT {
                return Vec::new();
            }
            let may_be = ranked
                .into_iter()
                .take_while(|(misfit, _)| **misfit < best * WORSE + BOUNDARY);
            may_be.map(|(_, carrier)| carrier.mode).collect()
        };
        peers
            .into_iter()
            .zip(self.least.iter().map(modes))
            .collect()
    }
}

#[cfg(test)]
mod tests;
