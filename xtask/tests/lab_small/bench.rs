//! What the lab tests share: whether they can run, names of their own, and the search for leftovers.

use std::path::{Path, PathBuf};
use std::process;
use std::sync::Once;

use xtask::lab::{Lab, Options, ROOT, Scenario, Status, netns};
use xtask::{root, skip};

/// Guards the clearing of leftovers.
static SWEPT: Once = Once::new();

/// Whether a lab can be built here; reports the skip if not. Clears what killed runs have left.
pub(crate) fn possible(test: &str) -> bool {
    let missing = if !root::is_root() {
        Some("not root")
    } else if !Path::new("/dev/net/tun").exists() {
        Some("no /dev/net/tun")
    } else {
        None
    };
    if let Some(reason) = missing {
        skip::skip(test, reason);
        return false;
    }
    // Once: a test may be looking at a dead lab of its own.
    SWEPT.call_once(|| {
        Lab::sweep().expect("leftovers of killed runs are removed");
    });
    true
}

/// Options with a name that no other test of this or another run has.
pub(crate) fn lab_options(scenario: Scenario, purpose: &str) -> Options {
    let name = format!("t{}-{purpose}-{}", process::id(), scenario.name());
    let program = PathBuf::from(env!("CARGO_BIN_EXE_xtask"));
    Options {
        program: Some(program),
        ..Options::new(scenario).with_name(&name)
    }
}

/// No namespace, process or state of the lab is there any more.
pub(crate) fn assert_nothing_left(status: &Status) {
    for name in status.topology.namespaces() {
        assert!(!netns::exists(&name), "namespace {name} is left");
    }
    for process in &status.processes {
        assert!(
            !process.process.is_alive(),
            "process {:?} is left",
            process.process
        );
    }
    assert!(
        !Path::new(ROOT).join(&status.topology.name).exists(),
        "state is left"
    );
}
