//! The node agent as a library; `main.rs` is its thin entry point. `docs/architecture.md` says what
//! each module may touch.

pub mod agent;
pub mod commands;
pub mod config;
pub mod diagnosis;
pub mod export;
pub mod host;
pub mod interfaces;
pub mod kernel;
pub mod latency;
pub mod path;
pub mod record;
pub mod replay;
pub mod routing;
#[cfg(test)]
#[path = "../../xtask/src/skip.rs"]
#[expect(unreachable_pub, reason = "a library of xtask, a module here")]
mod skip;
pub mod sweep;
pub mod translation;
