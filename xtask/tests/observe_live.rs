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
#[path = "observe/class_changes.rs"]
mod class_changes;
#[path = "observe/counters.rs"]
mod counters;
#[path = "observe/delays.rs"]
mod delays;
#[path = "observe/kernel.rs"]
mod kernel;
#[path = "observe/ledger.rs"]
mod ledger;
#[path = "observe/life.rs"]
mod life;
#[path = "observe/output.rs"]
mod output;
#[path = "observe/paths.rs"]
mod paths;
#[path = "observe/program.rs"]
mod program;
#[path = "observe/round_trips.rs"]
mod round_trips;
#[path = "observe/services.rs"]
mod services;
#[path = "observe/services_on_one_node.rs"]
mod services_on_one_node;
#[path = "observe/traces.rs"]
mod traces;
