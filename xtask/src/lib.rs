//! The chores of the repository as a library, so that tests can use the lab.

pub mod bench;
mod budget;
mod bundles;
pub mod check;
pub mod cli;
pub mod command;
pub mod components;
#[path = "../../observer/src/config/duration.rs"]
pub mod duration;
pub mod fuzz;
#[path = "../../observer/fuzz/src/target.rs"]
mod fuzz_target;
mod interrupt;
pub mod kernels;
pub mod lab;
pub mod oracle;
pub mod real;
pub mod report;
mod reports;
pub mod root;
pub mod run;
pub mod setup;
pub mod sink;
pub mod skip;
pub mod small;
mod suites;
pub mod test;
#[path = "../../observer/build/toolchain.rs"]
pub mod toolchain;
pub mod traffic;

use std::path::{Path, PathBuf};

/// The folder that holds the workspace's `Cargo.toml`.
#[must_use]
pub fn workspace_root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_owned()
}
