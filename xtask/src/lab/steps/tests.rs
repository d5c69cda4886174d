//! The commands as data: flannel's and tailscaled's entries word by word.

use std::path::Path;

use super::{Step, steps};
use crate::lab::scenario::topology;
use crate::lab::topology::{Node, Topology};
use crate::lab::{Options, Scenario};

fn plan(scenario: Scenario) -> (Topology, Vec<Step>) {
    let lab = topology(&Options::new(scenario).with_seed(42));
    let steps = steps(&lab, Path::new("/run/netpath-lab/x"));
    (lab, steps)
}

fn lines(steps: &[Step], wanted: &str) -> Vec<String> {
    let lines = steps.iter().filter_map(|step| match step {
        Step::Ip { netns, line } | Step::Bridge { netns, line } => {
            (netns == wanted).then(|| line.clone())
        }
        Step::Namespace(_)
        | Step::Ip6 { .. }
        | Step::Sysctl { .. }
        | Step::Nft { .. }
        | Step::Start { .. }
        | Step::Await { .. } => None,
    });
    lines.collect()
}

#[test]
fn remote_entries_are_those_of_flannel() {
    let (lab, steps) = plan(Scenario::S1);
    let [n1, n2, _]: [&Node; 3] = [&lab.nodes[0], &lab.nodes[1], &lab.nodes[2]];
    let lines = lines(&steps, &n1.netns);
    let (network, mac) = (n2.pod_network, &n2.vtep_mac);
    for wanted in [
        format!("neigh replace {network} lladdr {mac} dev flannel.1 nud permanent"),
        format!("route replace {network}/24 via {network} dev flannel.1 onlink"),
        format!(
            "fdb replace {mac} dev flannel.1 dst {} self permanent",
            n2.tailnet.address
        ),
    ] {
        assert!(lines.contains(&wanted), "{wanted} not in {lines:#?}");
    }
}

#[test]
fn mtu_ladder_fits_the_lower_device() {
    for (scenario, mtu) in [
        (Scenario::H2, 1450),
        (Scenario::S1, 1230),
        (Scenario::S1d, 1230),
    ] {
        let (lab, steps) = plan(scenario);
        let lines = lines(&steps, &lab.nodes[0].netns);
        for device in ["flannel.1", "cni0", "veth"] {
            let made = |line: &&String| line.starts_with(&format!("link add {device}"));
            let line = lines.iter().find(made).expect("device is made");
            assert!(
                line.contains(&format!(" mtu {mtu} ")),
                "{scenario:?}: {line}"
            );
        }
    }
}

#[test]
fn vxlan_without_local_only_where_two_vteps_answer() {
    for scenario in Scenario::ALL {
        let (lab, steps) = plan(scenario);
        for node in &lab.nodes {
            let lines = lines(&steps, &node.netns);
            let made = |line: &&String| line.starts_with("link add flannel.1");
            let line = lines.iter().find(made).expect("flannel.1 is made");
            assert_eq!(line.contains(" local "), node.flannel_local, "{line}");
        }
    }
}

#[test]
fn rules_are_those_of_tailscaled() {
    let (lab, steps) = plan(Scenario::H2);
    let lines = lines(&steps, &lab.nodes[2].netns);
    for wanted in [
        "rule add pref 5210 fwmark 0x80000/0xff0000 lookup main",
        "rule add pref 5230 fwmark 0x80000/0xff0000 lookup default",
        "rule add pref 5250 fwmark 0x80000/0xff0000 unreachable",
        "rule add pref 5270 lookup 52",
    ] {
        assert!(
            lines.iter().any(|line| line == wanted),
            "{wanted} not in {lines:#?}"
        );
    }
}

#[test]
fn nothing_is_done_outside_the_own_namespaces() {
    for scenario in Scenario::ALL {
        let (lab, steps) = plan(scenario);
        let own = lab.namespaces();
        for step in steps {
            let netns = match step {
                Step::Namespace(netns)
                | Step::Sysctl { netns, .. }
                | Step::Ip { netns, .. }
                | Step::Ip6 { netns, .. }
                | Step::Bridge { netns, .. }
                | Step::Nft { netns, .. }
                | Step::Start { netns, .. }
                | Step::Await { netns, .. } => netns,
            };
            assert!(own.contains(&netns), "{netns}");
        }
    }
}
