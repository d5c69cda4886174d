//! How tailscaled carries pod packets is read off the wire: direct, by a DERP relay, by a peer relay;
//! and a relay is a finding where a shorter road is at hand, and nowhere else.

use std::fs;
use std::time::Duration;

use serde_json::Value;
use xtask::lab::{DirectUdp, Lab, Node, Options, Scenario, WireId};
use xtask::traffic::{Load, PingPong};

use super::agent::Agent;
use super::bench::{agents, lab, options, turn, with_load};
use super::output::{Finding, PathLine, Sweep};
use super::paths::{await_right, pairs};

/// What the relay holds each packet for, each way.
const HELD: Duration = Duration::from_millis(20);
/// The same as a round trip, milliseconds.
const ROUND_TRIP: f64 = 40.0;
/// The finding under test.
const DETOUR: &str = "relay_detour";

#[test]
fn a_derp_relay_that_is_known_is_seen_in_both_directions_and_is_no_fault_by_itself() {
    let test =
        "relay::a_derp_relay_that_is_known_is_seen_in_both_directions_and_is_no_fault_by_itself";
    let Some(_turn) = turn(test) else { return };
    let lab = lab(options(Scenario::S5, "known"));
    leave_user_mode_network(&lab);
    let settings = settings(&lab);
    let agents = agents(&lab, &["--config", &settings, "--sample-one-in", "4"]);
    with_load(&pairs(&lab), || {
        await_right(&lab, &agents);
        for agent in &agents {
            assert_modes(&agent.next_sweep(), "derp");
        }
    });
    for agent in agents {
        let ended = agent.end();
        for sweep in &ended.sweeps {
            assert!(sweep.findings.is_empty(), "{:?}", sweep.findings);
        }
        let modes = ended
            .spans
            .iter()
            .filter_map(|span| span.attributes.get("netpath.tailscale.mode"));
        assert!(
            modes.clone().any(|mode| mode == &Value::from("derp")),
            "spans say how: {:?}",
            modes.collect::<Vec<_>>()
        );
    }
}

#[test]
fn a_derp_relay_that_nobody_named_is_seen_in_both_directions() {
    let test = "relay::a_derp_relay_that_nobody_named_is_seen_in_both_directions";
    let Some(_turn) = turn(test) else { return };
    let lab = lab(options(Scenario::S5, "unnamed"));
    let agents = agents(&lab, &[]);
    with_load(&pairs(&lab), || {
        await_right(&lab, &agents);
        for agent in &agents {
            assert_modes(&agent.next_sweep(), "derp");
        }
    });
}

#[test]
fn a_machine_with_a_user_mode_network_alone_gets_a_shared_one_until_the_relay_is_past() {
    let test =
        "relay::a_machine_with_a_user_mode_network_alone_gets_a_shared_one_until_the_relay_is_past";
    let Some(_turn) = turn(test) else { return };
    let lab = lab(options(Scenario::S5, "lima"));
    lab.set_relay_delay(HELD).expect("delay");
    let relay = lab.relay().expect("a relay").listen.to_string();
    let settings = settings(&lab);
    let agents = agents(&lab, &["--config", &settings]);
    with_load(&pairs(&lab), || {
        for (agent, node) in agents.iter().zip(lab.nodes()) {
            let sweep = agent.await_sweep("the detour with its round trip", |sweep| {
                detour(sweep).is_some_and(|found| fact(found, "round_trip").is_some())
            });
            let found = detour(&sweep).expect("a detour");
            assert_eq!(found.fix.id, "lima-shared-network", "{found:?}");
            assert!(!found.fix.side_effects.is_empty(), "{found:?}");
            assert!((0.5..0.7).contains(&found.confidence), "{found:?}");
            assert_eq!(
                found.subject.nodes,
                [node.name.clone(), peer(&lab, node).vtep.to_string()]
            );
            let observed = fact(found, "relay_observed").expect("the sums are evidence");
            assert!(observed.contains(&relay), "{observed}");
            let network = fact(found, "lima_user_network").expect("the network is evidence");
            assert!(network.contains("eth0 with 192.168.5.15"), "{network}");
        }
        // Without the relay there is no detour left: the same network, the same load.
        lab.set_direct_udp(DirectUdp::Passes).expect("direct");
        for agent in &agents {
            agent.await_sweep("direct and well", |sweep| {
                all_modes(sweep) == ["vxlan-tailscale-direct direct"] && sweep.findings.is_empty()
            });
        }
    });
}

#[test]
fn a_neighbour_that_is_asked_in_vain_makes_a_relay_a_detour() {
    let test = "relay::a_neighbour_that_is_asked_in_vain_makes_a_relay_a_detour";
    let Some(_turn) = turn(test) else { return };
    let lab = lab(options(Scenario::S5, "neighbour"));
    leave_user_mode_network(&lab);
    for node in lab.nodes() {
        put_on_link(&lab, node, &peer(&lab, node).devices[0].address.to_string());
    }
    let agents = agents(&lab, &[]);
    with_load(&pairs(&lab), || {
        for (agent, node) in agents.iter().zip(lab.nodes()) {
            let sweep = agent.await_sweep("the detour", |sweep| detour(sweep).is_some());
            let found = detour(&sweep).expect("a detour");
            assert_eq!(found.fix.id, "open-direct-udp", "{found:?}");
            let asked = fact(found, "disco_unanswered").expect("the silence is evidence");
            let endpoint = format!("{} on eth0 (lan)", peer(&lab, node).devices[0].address);
            assert!(asked.contains(&endpoint), "{endpoint} in {asked}");
        }
    });
}

/// Makes a peer a neighbour of a node, at the router's link address: there its UDP is dropped as
/// before, as a switch that parts two nodes would.
fn put_on_link(lab: &Lab, node: &Node, peer: &str) {
    let ip = |arguments: &str| {
        let argv: Vec<_> = "ip".split(' ').chain(arguments.split(' ')).collect();
        let output = lab.command(&node.name, &argv).expect("ip").output();
        let output = output.expect("ip runs");
        assert!(output.status.success(), "{arguments}: {output:?}");
        String::from_utf8(output.stdout).expect("text")
    };
    let (router, _) = node.devices[0].default_route.expect("a router");
    let entry = ip(&format!("neigh show {router} dev eth0"));
    let mut words = entry.split_whitespace();
    words.find(|&word| word == "lladdr");
    let address = words.next().expect("the router is known");
    ip(&format!(
        "neigh replace {peer} lladdr {address} dev eth0 nud permanent"
    ));
    ip(&format!("route add {peer}/32 dev eth0 scope link"));
}

#[test]
fn a_peer_that_was_direct_before_makes_its_relay_a_detour_with_what_it_costs() {
    let test = "relay::a_peer_that_was_direct_before_makes_its_relay_a_detour_with_what_it_costs";
    let Some(_turn) = turn(test) else { return };
    let lab = lab(options(Scenario::S5, "before"));
    leave_user_mode_network(&lab);
    lab.set_relay_delay(HELD).expect("delay");
    lab.set_direct_udp(DirectUdp::Passes).expect("direct");
    let settings = settings(&lab);
    let agents = agents(&lab, &["--config", &settings, "--sample-one-in", "4"]);
    with_load(&pairs(&lab), || {
        for agent in &agents {
            agent.await_sweep("direct", |sweep| {
                all_modes(sweep) == ["vxlan-tailscale-direct direct"]
            });
            // Round trips of the direct road to compare with.
            for _ in 0..4 {
                assert_eq!(detour(&agent.next_sweep()), None);
            }
        }
    });
    lab.set_direct_udp(DirectUdp::Dropped).expect("relay");
    // New connections: old ones try again after up to twice as long as a tunnel trusts the direct way.
    with_load(&pairs(&lab), || {
        for (agent, node) in agents.iter().zip(lab.nodes()) {
            let sweep = agent.await_sweep("the detour", |sweep| {
                detour(sweep).is_some_and(|found| fact(found, "direct_before").is_some())
            });
            let found = detour(&sweep).expect("a detour");
            assert_eq!(found.fix.id, "open-direct-udp", "{found:?}");
            assert_eq!(
                sweep.findings.first(),
                Some(found),
                "the dearest comes first"
            );
            let before = fact(found, "direct_before").expect("the road before is evidence");
            let endpoint = peer(&lab, node).devices[0].address.to_string();
            assert!(before.contains(&endpoint), "{endpoint} in {before}");
            let [direct, relayed] = millis(&before)[..] else {
                panic!("two round trips in {before}")
            };
            assert!(direct < ROUND_TRIP / 8.0, "{before}");
            assert!(
                (ROUND_TRIP * 0.9..ROUND_TRIP * 1.3).contains(&relayed),
                "{before}"
            );
        }
    });
}

#[test]
fn a_peer_relay_is_named_and_healthy() {
    let test = "relay::a_peer_relay_is_named_and_healthy";
    let Some(_turn) = turn(test) else { return };
    let lab = lab(options(Scenario::H8, "peer"));
    let agents = agents(&lab, &[]);
    with_load(&pairs(&lab), || {
        await_right(&lab, &agents);
        for agent in &agents {
            assert_modes(&agent.next_sweep(), "peer_relay");
        }
    });
    for sweep in agents.iter().flat_map(Agent::sweeps) {
        assert!(sweep.findings.is_empty(), "{:?}", sweep.findings);
    }
}

#[test]
fn a_peer_behind_a_relay_and_one_that_is_direct_have_modes_of_their_own() {
    let test = "relay::a_peer_behind_a_relay_and_one_that_is_direct_have_modes_of_their_own";
    let Some(_turn) = turn(test) else { return };
    let lab = lab(options(Scenario::H8c, "several"));
    let agents = agents(&lab, &[]);
    with_load(&unequal(pairs(&lab)), || {
        await_right(&lab, &agents);
    });
    for sweep in agents.iter().flat_map(Agent::sweeps) {
        assert!(sweep.findings.is_empty(), "{:?}", sweep.findings);
    }
}

#[test]
fn a_far_peer_that_is_reached_directly_is_no_detour() {
    let test = "relay::a_far_peer_that_is_reached_directly_is_no_detour";
    let Some(_turn) = turn(test) else { return };
    let wire = WireId {
        node: "n1".into(),
        device: "eth0".into(),
    };
    let lab = lab(Options {
        delay_boxes: vec![wire.clone()],
        ..options(Scenario::S1d, "far")
    });
    lab.set_wire_delay(&wire, HELD / 2).expect("delay");
    let agents = agents(&lab, &[]);
    with_load(&pairs(&lab), || {
        await_right(&lab, &agents);
        for agent in &agents {
            assert_modes(&agent.next_sweep(), "direct");
        }
    });
    for sweep in agents.iter().flat_map(Agent::sweeps) {
        assert!(sweep.findings.is_empty(), "{:?}", sweep.findings);
    }
}

/// With a rhythm of its own for each pair: peers are told apart by what they moved.
fn unequal(loads: Vec<Load>) -> Vec<Load> {
    let slower = |(place, load): (u32, Load)| match load {
        Load::PingPong(load) => Load::PingPong(PingPong {
            think: load.think * (place + 1),
            ..load
        }),
        other @ (Load::Bulk(_) | Load::Datagrams(_) | Load::Ping(_)) => other,
    };
    (0..).zip(loads).map(slower).collect()
}

/// Takes the address of Lima's user-mode network from every node: nothing tells of a shorter road.
fn leave_user_mode_network(lab: &Lab) {
    for node in lab.nodes() {
        let argv = ["ip", "addr", "del", "192.168.5.15/32", "dev", "eth0"];
        let status = lab.command(&node.name, &argv).expect("ip").status();
        assert!(status.expect("ip runs").success());
    }
}

/// A settings file that names the lab's relay.
fn settings(lab: &Lab) -> String {
    let relay = lab.relay().expect("a relay").listen;
    let path = lab.directory().join("observer.toml");
    fs::write(&path, format!("relays = [\"{relay}\"]\n")).expect("settings");
    path.to_str().expect("UTF-8").to_owned()
}

/// The other node of two.
fn peer<'a>(lab: &'a Lab, node: &Node) -> &'a Node {
    let mut others = lab.nodes().iter().filter(|other| other.name != node.name);
    others.next().expect("a peer")
}

fn detour(sweep: &Sweep) -> Option<&Finding> {
    sweep.findings.iter().find(|found| found.cause == DETOUR)
}

fn fact(finding: &Finding, id: &str) -> Option<String> {
    let fact = finding.evidence.iter().find(|fact| fact.id == id);
    fact.map(|fact| fact.text.clone())
}

/// Numbers in front of `ms`.
fn millis(text: &str) -> Vec<f64> {
    let words: Vec<_> = text.split([' ', ';']).collect();
    let pairs = words.windows(2).filter(|pair| pair[1] == "ms");
    pairs.filter_map(|pair| pair[0].parse().ok()).collect()
}

/// Class and mode of paths between nodes, each once.
fn modes(sweep: &Sweep, is_meant: impl Fn(&PathLine) -> bool) -> Vec<String> {
    let between = sweep.paths.iter().filter(|path| {
        let is_remote = path.source.node.is_none() || path.destination.node.is_none();
        path.source.address.is_some() && is_remote && is_meant(path)
    });
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let mut modes: Vec<_> = between
        .map(|path| format!("{} {}", text(&path.class), text(&path.tailscale_mode)))
        .collect();
    modes.sort();
    modes.dedup();
    modes
}

fn all_modes(sweep: &Sweep) -> Vec<String> {
    modes(sweep, |_| true)
}

/// Every path between nodes says this mode.
fn assert_modes(sweep: &Sweep, mode: &str) {
    let class = format!("vxlan-tailscale-{}", mode.replace('_', "-"));
    assert_eq!(all_modes(sweep), [format!("{class} {mode}")]);
}
