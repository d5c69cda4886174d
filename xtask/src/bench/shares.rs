//! Traffic over the lab's VXLAN with programs on both hooks of one device of one node: none, an empty
//! one, one look-up with two additions and nothing else, ours, other tools'. What is left of its rate
//! with each, and what each adds to the processor time.

use std::time::Duration;

use super::hook::Hook;
use super::rounds::in_turns;
use super::row::{Better, Row, ratios};
use super::variant::{Variant, beside};
use super::work::Work;
use super::{Bench, BenchError, NODES};

/// A kind of traffic, and what is expected of it.
pub(super) struct Traffic {
    /// Names of its rows: of rates, and of times.
    pub(super) rate: &'static str,
    pub(super) time: &'static str,
    /// Packets that pass the device for each.
    pub(super) packets: u64,
    /// Blocks of a variant that make its second in a round.
    pub(super) slices: u32,
    /// Bar and goal for the share that is left.
    pub(super) bar: f64,
    pub(super) goal: f64,
    /// Drives it for a time.
    pub(super) drive: fn(&Bench, Duration) -> Result<Work, BenchError>,
}

/// What came of a variant, by rounds.
struct Series {
    rates: Vec<f64>,
    /// Processor time for each, nanoseconds.
    busy: Vec<f64>,
}

impl Series {
    fn of(rounds: &[Work]) -> Self {
        Self {
            rates: rounds.iter().map(Work::rate).collect(),
            busy: rounds.iter().map(Work::busy_nanos).collect(),
        }
    }
}

impl Traffic {
    /// Rates without programs, and per round the share that is left with them.
    pub(super) fn rows(&self, bench: &Bench) -> Result<Vec<Row>, BenchError> {
        let [first, second] = NODES;
        let mut hook = Hook::start(bench, first)?;
        let mut other = Hook::start(bench, second)?;
        other.tell_and_check("list", &[])?;
        let variants = Variant::all(&bench.against);
        let rounds = [bench.effort.rounds, self.slices as usize];
        let done = in_turns(variants.len(), rounds, |turn| match variants.get(turn) {
            Some(variant) => self.block(bench, &mut hook, variant),
            None => Ok(Work::default()),
        })?;
        other.tell_and_check("list", &[])?;
        let mut series = variants
            .iter()
            .zip(done.iter().map(|rounds| Series::of(rounds)));
        let Some((_, none)) = series.next() else {
            return Ok(Vec::new());
        };
        let Self { rate, time, .. } = self;
        let mut rows = vec![
            Row::of(&format!("{rate}_none"), "1/s", "no program", &none.rates),
            Row::of(
                &format!("{time}_none"),
                "ns",
                "no program: processor time",
                &none.busy,
            ),
        ];
        let mut added = Vec::new();
        for (variant, series) in series {
            rows.push(self.share(variant, &series, &none));
            let more = differences(&series.busy, &none.busy);
            let name = format!("{time}_{}_added", variant.name);
            let against = "none of the same round: processor time";
            rows.push(Row::of(&name, "ns", against, &more));
            added.push((variant.name.as_str(), more));
        }
        rows.extend(self.by_peers(bench, &added));
        Ok(rows)
    }

    fn block(&self, bench: &Bench, hook: &mut Hook, variant: &Variant) -> Result<Work, BenchError> {
        bench.go_on()?;
        let traffic = || (self.drive)(bench, bench.effort.block / self.slices);
        variant.block(hook, traffic, |done| self.packets * u64::from(done.count))
    }

    fn share(&self, variant: &Variant, series: &Series, none: &Series) -> Row {
        let ratios = ratios(&series.rates, &none.rates);
        let name = format!("{}_{}", self.rate, variant.name);
        let row = Row::of(&name, "1", "the rate of the same round with none", &ratios);
        if variant.is_ours() {
            row.with_bar(Better::Higher, self.bar, self.goal, &ratios)
        } else {
            row
        }
    }

    /// What ours add as a share of what each peer adds in the same place.
    fn by_peers(&self, bench: &Bench, added: &[(&str, Vec<f64>)]) -> Vec<Row> {
        let of = |wanted: &str| {
            let found = added.iter().find(|(name, _)| *name == wanted);
            found.map_or(&[][..], |(_, added)| added)
        };
        let net = |name: &str| differences(of(name), of("empty"));
        let mut rows = Vec::new();
        for peer in &bench.against {
            for place in ["underlay", "bridge"] {
                let ratios = ratios(&net(place), &net(&beside(place, peer)));
                let name = format!("{}_{place}_by_{}", self.time, peer.label);
                let against = format!("{} of {} in the same place", peer.ingress, peer.file());
                let row = Row::of(&name, "1", &against, &ratios);
                rows.push(row.noted("time added, net of the empty program"));
            }
        }
        rows
    }
}

/// Round by round.
fn differences(with: &[f64], without: &[f64]) -> Vec<f64> {
    let pairs = with.iter().zip(without);
    pairs.map(|(with, without)| with - without).collect()
}
