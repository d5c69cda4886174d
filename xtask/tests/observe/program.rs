//! Where the agent's binary is: beside the one of `xtask`, built first so that it is never stale.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Names another binary to test.
const OVERRIDE: &str = "NETPATH_OBSERVER";

/// The binary under test; built once per run.
pub(crate) fn observer() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| env::var_os(OVERRIDE).map_or_else(build, PathBuf::from))
}

/// Builds it as `xtask` was built.
fn build() -> PathBuf {
    let folder = Path::new(env!("CARGO_BIN_EXE_xtask"))
        .parent()
        .expect("a binary lies in a folder");
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--package", "observer"]);
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    if folder.ends_with("release") {
        cargo.arg("--release");
    }
    let built = cargo.status().expect("cargo starts");
    assert!(built.success(), "build the observer: {built}");
    let program = folder.join("observer");
    assert!(program.is_file(), "no {}", program.display());
    program
}
