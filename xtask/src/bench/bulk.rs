//! Bulk TCP over the lab's VXLAN with programs on both hooks of one device of one node: none, ours.

use super::devices::{UNDERLAY, both};
use super::hook::{Answer, Hook};
use super::rounds::{order, ratios};
use super::row::{Better, Row};
use super::{Bench, BenchError, NODES, machine};
use crate::lab::topology::BRIDGE;
use crate::traffic::{Bulk, Stop, Volume};

const BAR: f64 = 0.97;
const GOAL: f64 = 0.99;

/// Transfers per block, of which the middle one counts: a stall of the machine spoils one.
const TRANSFERS: u32 = 5;

/// What hangs on a device of the first node.
struct Variant {
    name: &'static str,
    command: String,
    hooks: Vec<String>,
    /// Buffers that ours counted so far.
    counted: fn(&Answer) -> u64,
}

fn variants() -> [Variant; 3] {
    [
        Variant {
            name: "none",
            command: "off".to_owned(),
            hooks: Vec::new(),
            counted: |_| 0,
        },
        Variant {
            name: "underlay",
            command: format!("underlay {UNDERLAY}"),
            hooks: both(UNDERLAY, "underlay0_{}"),
            counted: |answer| answer.underlay,
        },
        Variant {
            name: "bridge",
            command: format!("bridge {BRIDGE}"),
            hooks: both(BRIDGE, "bridge_{}"),
            counted: |answer| answer.bridge,
        },
    ]
}

/// Throughput without programs, and the share that is left with them.
pub(super) fn rows(bench: &Bench) -> Result<Vec<Row>, BenchError> {
    let mut hook = Hook::start(bench, NODES[0])?;
    let variants = variants();
    let mut rates = vec![Vec::new(); variants.len()];
    for round in 0..bench.effort.pairs {
        for turn in order(round, variants.len()) {
            if let (Some(variant), Some(rates)) = (variants.get(turn), rates.get_mut(turn)) {
                rates.push(block(bench, &mut hook, variant)?);
            }
        }
    }
    let [none, with @ ..] = rates.as_slice() else {
        return Ok(Vec::new());
    };
    let mut rows = vec![Row::of("bulk_none", "Gbit/s", "no program", none)];
    for (variant, rates) in variants.iter().skip(1).zip(with) {
        let ratios = ratios(rates, none);
        let name = format!("bulk_{}", variant.name);
        rows.push(
            Row::of(&name, "1", "the same round with none", &ratios).with_bar(
                Better::Higher,
                BAR,
                GOAL,
                &ratios,
            ),
        );
    }
    Ok(rows)
}

/// One block; fails if other programs than expected hang there, or ours saw nothing.
fn block(bench: &Bench, hook: &mut Hook, variant: &Variant) -> Result<f64, BenchError> {
    let before = hook.tell_and_check(&variant.command, &variant.hooks)?;
    let rate = transfer(bench)?;
    let after = hook.tell_and_check("list", &variant.hooks)?;
    if !variant.hooks.is_empty() && (variant.counted)(&after) <= (variant.counted)(&before) {
        return Err(BenchError::Unexpected {
            action: format!("count the buffers of a block with {}", variant.name),
            found: "none on the pods' path".to_owned(),
            expected: "some".to_owned(),
        });
    }
    Ok(rate)
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
