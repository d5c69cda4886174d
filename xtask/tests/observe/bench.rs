//! What the tests share: whether they can run, one at a time, labs with names of their own and agents
//! on their nodes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::thread;

use xtask::lab::topology::Family;
use xtask::lab::{Lab, Node, Options, Scenario, netns};
use xtask::traffic::{Load, Stop, drive_all};
use xtask::{root, skip};

use super::agent::Agent;

/// Guards the clearing of leftovers.
static SWEPT: Once = Once::new();
/// Held by the one test that runs: two labs under load disturb each other's times.
static TURN: Mutex<()> = Mutex::new(());

/// Waits for this test's turn; none, with the skip reported, if it cannot run here.
pub(crate) fn turn(test: &str) -> Option<MutexGuard<'static, ()>> {
    let missing = if !root::is_root() {
        Some("not root")
    } else if !Path::new("/dev/net/tun").exists() {
        Some("no /dev/net/tun")
    } else {
        None
    };
    if let Some(reason) = missing {
        skip::skip(test, reason);
        return None;
    }
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    SWEPT.call_once(|| {
        Lab::sweep().expect("leftovers of killed runs are removed");
    });
    Some(turn)
}

/// Options with a name that no other test of this or another run has.
pub(crate) fn options(scenario: Scenario, purpose: &str) -> Options {
    let name = format!("o{}-{purpose}-{}", process::id(), scenario.name());
    let program = PathBuf::from(env!("CARGO_BIN_EXE_xtask"));
    Options {
        program: Some(program),
        ..Options::new(scenario).with_name(&name)
    }
}

/// Brings a lab up and shows its seed and addresses.
pub(crate) fn lab(options: Options) -> Lab {
    let lab = Lab::up(options).expect("lab comes up");
    eprintln!("{}", lab.status());
    lab
}

/// Keeps nodes and pods from soliciting IPv6 routers: nothing passes but what the test sends.
pub(crate) fn silence(lab: &Lab) {
    const SWITCH: &str = "/proc/sys/net/ipv6/conf/all/disable_ipv6";
    let nodes = lab.nodes().iter();
    let places = nodes.flat_map(|node| {
        let pods = node.pods.iter().map(|pod| &pod.netns);
        pods.chain([&node.netns])
    });
    for place in places {
        let written = netns::within(place, || fs::write(SWITCH, "1"));
        written.expect("namespace").expect("switch");
    }
}

/// Runs a command in a namespace.
pub(crate) fn run(netns: &str, argv: &[&str]) {
    let done = netns::command(netns, argv).status().expect("it starts");
    assert!(done.success(), "{argv:?} in {netns}: {done}");
}

/// An agent on every node, in the order of the nodes, all of them attached.
pub(crate) fn agents(lab: &Lab, arguments: &[&str]) -> Vec<Agent> {
    agents_on(lab.nodes().iter(), arguments)
}

/// An agent on each of these nodes, in their order, all of them attached.
pub(crate) fn agents_on<'a>(
    nodes: impl Iterator<Item = &'a Node>,
    arguments: &[&str],
) -> Vec<Agent> {
    let start = |node: &Node| {
        let both = Family::ALL.map(Family::pods).join(",");
        let networks = ["--cluster-cidr", &both].into_iter();
        let networks = networks.filter(|_| node.six.is_some());
        let arguments: Vec<_> = networks.chain(arguments.iter().copied()).collect();
        Agent::start(&node.netns, &node.name, &arguments)
    };
    let agents: Vec<Agent> = nodes.map(start).collect();
    for agent in &agents {
        agent.await_attached();
    }
    agents
}

/// Runs `work` while loads run; they end with it, also when it panics.
pub(crate) fn with_load<T>(loads: &[Load], work: impl FnOnce() -> T) -> T {
    struct Ends<'a>(&'a Stop);
    impl Drop for Ends<'_> {
        fn drop(&mut self) {
            self.0.set();
        }
    }
    let stop = Stop::default();
    thread::scope(|scope| {
        let _ends = Ends(&stop);
        scope.spawn(|| {
            for report in drive_all(loads, &stop) {
                report.expect("traffic passes");
            }
        });
        work()
    })
}
