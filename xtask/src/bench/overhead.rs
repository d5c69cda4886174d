//! Ping-pong over the lab's VXLAN with programs on both hooks of one device of one node: none, an
//! empty one, one look-up with two additions and nothing else, ours. Client and server share a
//! processor, so that every added nanosecond shows.

use super::exchange::{self, Exchanges};
use super::hook::Hook;
use super::rounds::{order, ratios};
use super::row::{Better, Row};
use super::variant::Variant;
use super::{Bench, BenchError, NODES};

const BAR: f64 = 0.98;
const GOAL: f64 = 0.985;

/// Blocks of a variant that make its second in a round.
const SLICES: u32 = 8;

fn variants() -> [Variant; 5] {
    let [underlay, bridge] = Variant::ours();
    let [empty, look_up] = ["empty", "look_up"].map(Variant::yardstick);
    [Variant::none(), empty, look_up, underlay, bridge]
}

/// Rates without programs, and per round the share that is left with them.
pub(super) fn rows(bench: &Bench) -> Result<Vec<Row>, BenchError> {
    let [first, second] = NODES;
    let mut hook = Hook::start(bench, first)?;
    let mut other = Hook::start(bench, second)?;
    other.tell_and_check("list", &[])?;
    let variants = variants();
    let mut done = vec![Vec::new(); variants.len()];
    for round in 0..bench.effort.rounds {
        for (series, sum) in done
            .iter_mut()
            .zip(self::round(bench, &mut hook, &variants, round)?)
        {
            series.push(sum);
        }
    }
    other.tell_and_check("list", &[])?;
    let [none, with @ ..] = done.as_slice() else {
        return Ok(Vec::new());
    };
    let rates = |series: &[Exchanges]| series.iter().map(Exchanges::rate).collect::<Vec<_>>();
    let busy = |series: &[Exchanges]| series.iter().map(Exchanges::busy_nanos).collect::<Vec<_>>();
    let mut rows = vec![
        Row::of("ping_pong_none", "1/s", "no program", &rates(none)),
        Row::of(
            "exchange_none",
            "ns",
            "no program: processor time",
            &busy(none),
        ),
    ];
    for (variant, series) in variants.iter().skip(1).zip(with) {
        let ratios = ratios(&rates(series), &rates(none));
        let name = format!("ping_pong_{}", variant.name);
        let row = Row::of(&name, "1", "the rate of the same round with none", &ratios);
        rows.push(if variant.is_ours() {
            row.with_bar(Better::Higher, BAR, GOAL, &ratios)
        } else {
            row
        });
        let added: Vec<f64> = busy(series)
            .iter()
            .zip(busy(none))
            .map(|(with, none)| with - none)
            .collect();
        let name = format!("exchange_{}_added", variant.name);
        rows.push(Row::of(
            &name,
            "ns",
            "none: processor time per exchange, two packets",
            &added,
        ));
    }
    Ok(rows)
}

/// One round: every variant in turn, in slices, so that a slow second meets all of them.
fn round(
    bench: &Bench,
    hook: &mut Hook,
    variants: &[Variant],
    round: usize,
) -> Result<Vec<Exchanges>, BenchError> {
    let mut sums = vec![Exchanges::default(); variants.len()];
    for slice in 0..SLICES as usize {
        for turn in order(round + slice, variants.len()) {
            if let (Some(variant), Some(sum)) = (variants.get(turn), sums.get_mut(turn)) {
                *sum += block(bench, hook, variant)?;
            }
        }
    }
    Ok(sums)
}

/// One block; both messages of an exchange pass the device.
fn block(bench: &Bench, hook: &mut Hook, variant: &Variant) -> Result<Exchanges, BenchError> {
    let traffic = || exchange::drive(&bench.together(), bench.effort.block / SLICES);
    variant.block(hook, traffic, |done| 2 * u64::from(done.count))
}
