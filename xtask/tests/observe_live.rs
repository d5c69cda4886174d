//! The agent `observer` on the nodes of the small lab: what it says of real packets against what the
//! topology, the kernel's own counters and the sockets say. Needs root and `/dev/net/tun`.
//!
//! `NETPATH_OBSERVER` names another binary to test than the one of this workspace.

#[path = "observe/account.rs"]
mod account;
#[path = "observe/agent.rs"]
mod agent;
#[path = "observe/bad_input.rs"]
mod bad_input;
#[path = "observe/bench.rs"]
mod bench;
#[path = "observe/bundles.rs"]
mod bundles;
#[path = "observe/cards.rs"]
mod cards;
#[path = "observe/churn.rs"]
mod churn;
#[path = "observe/class_changes.rs"]
mod class_changes;
#[path = "observe/clsact.rs"]
mod clsact;
#[path = "observe/collector.rs"]
mod collector;
#[path = "observe/counters.rs"]
mod counters;
#[path = "observe/delays.rs"]
mod delays;
#[path = "observe/dns.rs"]
mod dns;
#[path = "observe/dual_stack.rs"]
mod dual_stack;
#[path = "observe/endings.rs"]
mod endings;
#[path = "observe/filters.rs"]
mod filters;
#[path = "observe/first_spans.rs"]
mod first_spans;
#[path = "observe/flow.rs"]
mod flow;
#[path = "observe/fragments.rs"]
mod fragments;
#[path = "observe/kernel.rs"]
mod kernel;
#[path = "observe/ledger.rs"]
mod ledger;
#[path = "observe/life.rs"]
mod life;
#[path = "observe/load_aggregates.rs"]
mod load_aggregates;
#[path = "observe/load_collector.rs"]
mod load_collector;
#[path = "observe/load_drops.rs"]
mod load_drops;
#[path = "observe/load_ledger.rs"]
mod load_ledger;
#[path = "observe/load_paths.rs"]
mod load_paths;
#[path = "observe/load_scan.rs"]
mod load_scan;
#[path = "observe/nesting.rs"]
mod nesting;
#[path = "observe/no_reply.rs"]
mod no_reply;
#[path = "observe/node_addresses.rs"]
mod node_addresses;
#[path = "observe/offload.rs"]
mod offload;
#[path = "observe/output.rs"]
mod output;
#[path = "observe/oversize.rs"]
mod oversize;
#[path = "observe/paths.rs"]
mod paths;
#[path = "observe/program.rs"]
mod program;
#[expect(
    dead_code,
    reason = "a receiver of the exporter's own tests, of which these need a part"
)]
#[path = "../../observer/tests/export_otlp/receiver.rs"]
mod receiver;
#[path = "observe/recreation.rs"]
mod recreation;
#[path = "observe/refusals.rs"]
mod refusals;
#[path = "observe/relay.rs"]
mod relay;
#[path = "observe/round_trips.rs"]
mod round_trips;
#[path = "observe/same_node.rs"]
mod same_node;
#[path = "observe/segments.rs"]
mod segments;
#[path = "observe/services.rs"]
mod services;
#[path = "observe/services_on_one_node.rs"]
mod services_on_one_node;
#[path = "observe/traces.rs"]
mod traces;
#[path = "observe/two_sided.rs"]
mod two_sided;
#[path = "observe/wires.rs"]
mod wires;
#[path = "observe/xdp.rs"]
mod xdp;
