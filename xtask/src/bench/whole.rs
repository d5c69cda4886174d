//! The whole agent in both nodes, on and off in turns: bulk TCP over the lab's VXLAN, and ping-pong.

use std::time::{Duration, Instant};

use super::agent::Agent;
use super::devices::is_agents;
use super::hook::{Hook, shown};
use super::rounds::{order, ratios};
use super::row::{Better, Row};
use super::{Bench, BenchError, NODES, exchange, machine};
use crate::traffic::{Bulk, Stop, Volume};

const BAR: f64 = 0.97;
const GOAL: f64 = 0.99;

/// What both nodes run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Variant {
    Off,
    On,
}

const VARIANTS: [Variant; 2] = [Variant::Off, Variant::On];

/// Transfers per block, of which the middle one counts: a stall of the machine spoils one.
const TRANSFERS: u32 = 5;

/// How long agents may take to attach.
const PATIENCE: Duration = Duration::from_secs(20);

/// Rates of one variant, one per round.
#[derive(Default)]
struct Rates {
    bulk: Vec<f64>,
    ping_pong: Vec<f64>,
}

/// Throughput and rate without the agent, and the share that is left with it.
pub(super) fn rows(bench: &Bench) -> Result<Vec<Row>, BenchError> {
    let [first, second] = NODES;
    let mut hooks = [Hook::start(bench, first)?, Hook::start(bench, second)?];
    let (mut off, mut on) = (Rates::default(), Rates::default());
    for round in 0..bench.effort.pairs {
        for turn in order(round, VARIANTS.len()) {
            match VARIANTS.get(turn) {
                Some(Variant::Off) => block(bench, &mut hooks, Variant::Off, &mut off)?,
                Some(Variant::On) => block(bench, &mut hooks, Variant::On, &mut on)?,
                None => {}
            }
        }
    }
    let bulk = ratios(&on.bulk, &off.bulk);
    let ping_pong = ratios(&on.ping_pong, &off.ping_pong);
    let against = "the same round without agents";
    let note = "a sweep each second in both nodes";
    Ok(vec![
        Row::of("bulk_none", "Gbit/s", "no agent", &off.bulk),
        Row::of("bulk_agent", "1", against, &bulk)
            .with_bar(Better::Higher, BAR, GOAL, &bulk)
            .noted(note),
        Row::of("ping_pong_agent", "1", against, &ping_pong)
            .noted("every hook of both nodes, client and server on one processor"),
    ])
}

fn block(
    bench: &Bench,
    hooks: &mut [Hook; 2],
    variant: Variant,
    rates: &mut Rates,
) -> Result<(), BenchError> {
    let agents = match variant {
        Variant::Off => Vec::new(),
        Variant::On => {
            let start = |node| Agent::start(bench, node, &["--format", "none", "--interval", "1s"]);
            NODES.map(start).into_iter().collect::<Result<_, _>>()?
        }
    };
    await_hooks(hooks, variant)?;
    let [client, server] = bench.apart();
    let length = Volume::Elapsed(bench.effort.block / TRANSFERS);
    let bulk = Bulk::new(client, server, length);
    let mut transfers = Vec::new();
    for _ in 0..TRANSFERS {
        let done = machine::preferred(|| bulk.drive(&Stop::default()))?;
        transfers.push(done.bits_per_second / 1e9);
    }
    transfers.sort_by(f64::total_cmp);
    rates.bulk.extend(transfers.get(transfers.len() / 2));
    let exchanges = exchange::drive(&bench.together(), bench.effort.block)?;
    rates.ping_pong.push(exchanges.rate());
    await_hooks(hooks, variant)?;
    for agent in agents {
        agent.end()?;
    }
    Ok(())
}

/// Waits until exactly the variant's programs hang in both nodes.
fn await_hooks(hooks: &mut [Hook; 2], variant: Variant) -> Result<(), BenchError> {
    let deadline = Instant::now() + PATIENCE;
    for hook in hooks {
        loop {
            let found = hook.tell("list")?.hooks;
            let (right, expected) = match variant {
                Variant::Off => (found.is_empty(), "nothing"),
                Variant::On => (is_agents(&found), "the agent on lima0, cni0 and flannel.1"),
            };
            if right {
                break;
            }
            if Instant::now() > deadline {
                return Err(BenchError::Unexpected {
                    action: "list the programs before a block".to_owned(),
                    found: shown(&found),
                    expected: expected.to_owned(),
                });
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    Ok(())
}
