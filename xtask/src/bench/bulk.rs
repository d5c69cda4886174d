//! Bulk TCP over the lab's VXLAN with programs on both hooks of one device of one node: none, an empty
//! one, ours, other tools'.

use super::hook::Hook;
use super::rounds::in_turns;
use super::row::{Better, Row, ratios};
use super::variant::Variant;
use super::{Bench, BenchError, NODES, machine};
use crate::traffic::{Bulk, Stop, Volume};

const BAR: f64 = 0.97;
const GOAL: f64 = 0.99;

/// Transfers per block, of which the middle one counts: a stall of the machine spoils one.
const TRANSFERS: u32 = 5;

/// Throughput without programs, and the share that is left with them.
pub(super) fn rows(bench: &Bench) -> Result<Vec<Row>, BenchError> {
    let [first, second] = NODES;
    let mut hook = Hook::start(bench, first)?;
    let mut other = Hook::start(bench, second)?;
    other.tell_and_check("list", &[])?;
    let mut variants = vec![Variant::none(), Variant::yardstick("empty")];
    variants.extend(Variant::ours());
    variants.extend(Variant::peers(&bench.against));
    let rounds = [bench.effort.pairs, 1];
    let rates = in_turns(variants.len(), rounds, |turn| {
        bench.go_on()?;
        match variants.get(turn) {
            Some(variant) => variant.block(&mut hook, || transfer(bench), |_| 1),
            None => Ok(0.0),
        }
    })?;
    other.tell_and_check("list", &[])?;
    let [none, with @ ..] = rates.as_slice() else {
        return Ok(Vec::new());
    };
    let mut rows = vec![Row::of("bulk_none", "Gbit/s", "no program", none)];
    for (variant, rates) in variants.iter().skip(1).zip(with) {
        let ratios = ratios(rates, none);
        let name = format!("bulk_{}", variant.name);
        let row = Row::of(&name, "1", "the same round with none", &ratios);
        rows.push(if variant.is_ours() {
            row.with_bar(Better::Higher, BAR, GOAL, &ratios)
        } else {
            row
        });
    }
    Ok(rows)
}

/// Throughput of a block in Gbit/s: the middle one of several transfers.
pub(super) fn transfer(bench: &Bench) -> Result<f64, BenchError> {
    let [client, server] = bench.apart();
    let length = Volume::Elapsed(bench.effort.block / TRANSFERS);
    let bulk = Bulk::new(client, server, length);
    let mut transfers = Vec::new();
    for _ in 0..TRANSFERS {
        let done = machine::preferred(|| bulk.drive(&Stop::default()))?;
        transfers.push(done.bits_per_second / 1e9);
    }
    transfers.sort_by(f64::total_cmp);
    Ok(transfers.get(transfers.len() / 2).copied().unwrap_or(0.0))
}
