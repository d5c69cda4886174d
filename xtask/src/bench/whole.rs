//! The whole agent in no, one and both nodes in turns: bulk TCP over the lab's VXLAN, and ping-pong.
//! Both nodes share this machine's processors.

use std::time::{Duration, Instant};

use super::agent::Agent;
use super::devices::is_agents;
use super::hook::{Hook, shown};
use super::rounds::order;
use super::row::{Row, ratios};
use super::{Bench, BenchError, NODES, bulk, exchange};

/// The nodes that run the agent, by variant.
const VARIANTS: [&[&str]; 3] = [&[], &[NODES[0]], &NODES];

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
    let mut rates: [Rates; VARIANTS.len()] = Default::default();
    for round in 0..bench.effort.pairs {
        for turn in order(round, VARIANTS.len()) {
            if let (Some(nodes), Some(rates)) = (VARIANTS.get(turn), rates.get_mut(turn)) {
                block(bench, &mut hooks, nodes, rates)?;
            }
        }
    }
    let [off, one, both] = &rates;
    let against = "the same round without agents";
    let bulk = |name, rates: &Rates, note| {
        Row::of(name, "1", against, &ratios(&rates.bulk, &off.bulk)).noted(note)
    };
    let ping_pong = ratios(&both.ping_pong, &off.ping_pong);
    Ok(vec![
        Row::of("bulk_without_agent", "Gbit/s", "no agent", &off.bulk),
        bulk("bulk_agent_one", one, "every hook of the sender's node"),
        bulk("bulk_agent_both", both, "every hook of both nodes"),
        Row::of("ping_pong_agent", "1", against, &ping_pong)
            .noted("every hook of both nodes, client and server on one processor"),
    ])
}

fn block(
    bench: &Bench,
    hooks: &mut [Hook; 2],
    nodes: &[&'static str],
    rates: &mut Rates,
) -> Result<(), BenchError> {
    bench.go_on()?;
    let start = |&node| Agent::start(bench, node, &["--format", "none"]);
    let agents: Vec<_> = nodes.iter().map(start).collect::<Result<_, _>>()?;
    await_hooks(hooks, nodes)?;
    rates.bulk.push(bulk::transfer(bench)?);
    let exchanges = exchange::drive(&bench.together(), bench.effort.block)?;
    rates.ping_pong.push(exchanges.rate());
    await_hooks(hooks, nodes)?;
    for agent in agents {
        agent.end()?;
    }
    Ok(())
}

/// Waits until exactly the agents' programs hang in their nodes.
fn await_hooks(hooks: &mut [Hook; 2], nodes: &[&str]) -> Result<(), BenchError> {
    let deadline = Instant::now() + PATIENCE;
    for (hook, node) in hooks.iter_mut().zip(NODES) {
        loop {
            let found = hook.tell("list")?.hooks;
            let (right, expected) = if nodes.contains(&node) {
                (is_agents(&found), "the agent on lima0, cni0 and flannel.1")
            } else {
                (found.is_empty(), "nothing")
            };
            if right {
                break;
            }
            if Instant::now() > deadline {
                return Err(BenchError::Unexpected {
                    action: format!("list the programs in {node} before a block"),
                    found: shown(&found),
                    expected: expected.to_owned(),
                });
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    Ok(())
}
