//! The real lab: real tailscaled, headscale, DERP, flanneld and CNI. Comes up, shows what it says,
//! is seen rightly by an observer in every node, and leaves nothing. Needs root and the components.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use xtask::lab::netns;
use xtask::real::observe::{Run, observe};
use xtask::real::verify::verify;
use xtask::real::{RealLab, needs, scenario};
use xtask::run::observer_and_sink;
use xtask::skip;

/// How long traffic runs in a test.
const TRAFFIC: Duration = Duration::from_secs(8);
/// Namespaces that every scenario has.
const NAMESPACES: [&str; 3] = ["inet", "n1", "n2"];

#[test]
fn s1_is_as_described_until_its_fault_is_undone() {
    if !possible("s1_is_as_described_until_its_fault_is_undone") {
        return;
    }
    let s1 = scenario::find("S1").expect("a scenario");
    let row = verify(s1, scenario::any_seed(), TRAFFIC).expect("judged");
    assert!(row.is_right(), "{row}");
    assert!(row.up_seconds < 30.0, "{row}");
    assert_nothing_left(&[]);
}

#[test]
fn observers_see_vxlan_in_the_tunnel_and_the_tunnel_in_vxlan() {
    if !possible("observers_see_vxlan_in_the_tunnel_and_the_tunnel_in_vxlan") {
        return;
    }
    let programs = observer_and_sink().expect("both are built");
    let bundles = std::env::temp_dir().join(format!("netpath-bundles-{}", std::process::id()));
    for id in ["S1", "S6b"] {
        let scenario = scenario::find(id).expect("a scenario");
        let run = Run {
            seed: scenario::any_seed(),
            duration: TRAFFIC,
            record: Some(bundles.clone()),
        };
        let seen = observe(scenario, &run, &programs).expect("observed");
        assert!(seen.is_right(), "{seen}");
    }
    fs::remove_dir_all(bundles).expect("its bundles");
    assert_nothing_left(&[]);
}

#[test]
fn a_killed_run_is_cleaned_up_by_the_next_and_a_second_lab_is_refused() {
    if !possible("a_killed_run_is_cleaned_up_by_the_next_and_a_second_lab_is_refused") {
        return;
    }
    let mut runner = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["lab", "verify", "H2", "--for", "60s"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the runner starts");
    // Daemons run, and nothing is finished.
    await_process("tailscaled-n1");
    runner.kill().expect("kill -9");
    runner.wait().expect("reap");
    let orphans = processes();
    assert_eq!(alive(&orphans), orphans, "daemons outlive their runner");
    assert!(!orphans.is_empty() && RealLab::is_there());
    let h2 = scenario::find("H2").expect("a scenario");
    let lab = RealLab::up(h2, scenario::any_seed()).expect("the next one comes up");
    assert_eq!(alive(&orphans), [] as [u64; 0], "they are ended");
    let refused = RealLab::up(h2, 1).expect_err("one at a time").to_string();
    assert!(refused.contains("cargo xtask lab down real"), "{refused}");
    assert!(
        NAMESPACES.iter().all(|name| netns::exists(name)),
        "the first lives on"
    );
    let processes = processes();
    assert_eq!(alive(&processes), processes);
    drop(lab);
    assert_nothing_left(&processes);
}

/// Reports the skip if the lab cannot be built here.
fn possible(test: &str) -> bool {
    let lack = needs::lack();
    if let Some(reason) = &lack {
        skip::skip(test, reason);
    }
    lack.is_none()
}

fn assert_nothing_left(processes: &[u64]) {
    assert!(!RealLab::is_there(), "its state is left");
    for name in NAMESPACES {
        assert!(!netns::exists(name), "namespace {name} is left");
        let folder = Path::new("/etc/netns").join(name);
        assert!(!folder.exists(), "{} is left", folder.display());
    }
    assert_eq!(alive(processes), [] as [u64; 0], "processes are left");
}

fn alive(processes: &[u64]) -> Vec<u64> {
    let alive = |pid: &&u64| Path::new(&format!("/proc/{pid}")).exists();
    processes.iter().filter(alive).copied().collect()
}

/// Waits until the state of the lab names a process.
fn await_process(name: &str) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !state().to_string().contains(name) {
        assert!(Instant::now() < deadline, "no {name} in {}", state());
        thread::sleep(Duration::from_millis(20));
    }
}

/// The processes that the state of the lab names.
fn processes() -> Vec<u64> {
    let state = state();
    let processes = state["processes"].as_array().into_iter().flatten();
    processes
        .filter_map(|process| process["pid"].as_u64())
        .collect()
}

fn state() -> Value {
    let text = fs::read_to_string("/run/netpath-real/real/state.json").unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}
