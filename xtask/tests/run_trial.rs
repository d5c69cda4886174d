//! The trial run as a person starts it: the built program, its output, its exit code, and nothing
//! left behind. Needs root and `/dev/net/tun`.

#[path = "run_trial/bench.rs"]
mod bench;
#[path = "run_trial/services.rs"]
mod services;

use std::time::Duration;

use bench::{Trial, assert_nothing_left, possible};
use serde_json::Value;
use xtask::lab::{Lab, Options, Scenario, netns};

#[test]
fn sick_and_healthy_lab_are_told_apart_in_one_document() {
    if !possible("sick_and_healthy_lab_are_told_apart_in_one_document") {
        return;
    }
    let trial = Trial::start("json", &["--for", "6s", "--format", "json"]);
    let name = trial.name.clone();
    let ended = trial.wait();
    assert_eq!(ended.code, Some(0), "{}", ended.complaints);
    let document: Value = serde_json::from_str(&ended.output).expect("one document");
    let [sick, healthy] = [0, 1].map(|lab| &document["labs"][lab]);
    for (lab, scenario, class, stack) in [
        (sick, "s1", "vxlan-tailscale-direct", "wireguard>vxlan"),
        (healthy, "h2", "vxlan-vmnet", "vxlan"),
    ] {
        let pair = &lab["pairs"][0];
        assert_eq!(lab["scenario"], scenario);
        assert_eq!(
            (&pair["class"], &pair["encap"]),
            (&class.into(), &stack.into())
        );
        for place in ["pod", "bridge", "overlay"] {
            assert!(
                pair["rtt_ms"][place]["count"].as_u64() > Some(0),
                "{scenario} {place}: {pair}"
            );
        }
        assert_eq!(pair["path"]["type"], "path", "the observer's own object");
        let samples = |object: &Value| object["rtt_ms"]["pod"]["count"].as_u64();
        let [light, all] = [samples(pair), samples(&pair["path"])];
        assert!(
            light < all,
            "round trips are those of light load: {light:?} of {all:?}"
        );
        assert!(pair["bits_per_second"].as_f64() > Some(1e6), "{pair}");
    }
    assert!(sick["pairs"][0]["rtt_ms"]["tunnel"]["count"].as_u64() > Some(0));
    assert!(healthy["pairs"][0]["rtt_ms"]["underlay"]["count"].as_u64() > Some(0));
    assert_eq!(sick["findings"][0]["cause"], "double_encapsulation");
    assert_eq!(sick["findings"][0]["fix"]["id"], "flannel-iface-lan");
    assert_eq!(sick["pairs"][0]["findings"], Value::from(vec![0]));
    assert_eq!(
        healthy["findings"],
        Value::from(Vec::<u64>::new()),
        "a false alarm"
    );
    let slower = document["comparison"]["round_trip_factor"].as_f64();
    assert!(slower > Some(1.0), "{}", document["comparison"]);
    assert_eq!(document["labs"][2]["scenario"], "h2c");
    services::assert_one_path_per_pod(&document["labs"][2]);
    assert_nothing_left(&name);
}

#[test]
fn a_person_sees_both_paths_the_fix_and_the_difference() {
    if !possible("a_person_sees_both_paths_the_fix_and_the_difference") {
        return;
    }
    let trial = Trial::start("table", &["--for", "6s"]);
    let name = trial.name.clone();
    let ended = trial.wait();
    assert_eq!(ended.code, Some(0), "{}", ended.complaints);
    let line = |begin: &str| {
        let mut lines = ended.output.lines().map(str::trim_start);
        let found = lines.find(|line| line.starts_with(begin));
        let words = found.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
        words.unwrap_or_else(|| panic!("no line `{begin}` in {}", ended.output))
    };
    assert_eq!(line("class "), "class vxlan-tailscale-direct vxlan-vmnet");
    assert_eq!(line("stack, "), "stack, outer first wireguard>vxlan vxlan");
    assert_eq!(
        line("finding "),
        "finding double_encapsulation none: healthy"
    );
    assert!(line("fix ").contains("flannel-iface-lan"));
    assert!(line("S1 costs ").contains("times the round trip of H2"));
    services::assert_table(&ended.output);
    assert!(
        ended.complaints.contains("no pod network on this machine"),
        "{}",
        ended.complaints
    );
    assert!(
        ended.output.lines().all(|line| line.chars().count() <= 100),
        "{}",
        ended.output
    );
    assert_nothing_left(&name);
}

#[test]
fn too_short_a_time_is_drawn_out_and_said() {
    if !possible("too_short_a_time_is_drawn_out_and_said") {
        return;
    }
    let trial = Trial::start("short", &["--for", "1s", "--scenario", "h2"]);
    let name = trial.name.clone();
    let ended = trial.wait();
    assert_eq!(ended.code, Some(0), "{}", ended.complaints);
    let said = ended
        .complaints
        .lines()
        .filter(|line| line.contains("too short"));
    assert_eq!(said.count(), 1, "{}", ended.complaints);
    assert_nothing_left(&name);
}

#[test]
fn ctrl_c_in_the_middle_leaves_nothing_behind() {
    if !possible("ctrl_c_in_the_middle_leaves_nothing_behind") {
        return;
    }
    let mut trial = Trial::start("stop", &["--for", "60s"]);
    let name = trial.name.clone();
    trial.await_complaint("light load");
    let processes = bench::processes_of(&name);
    assert_eq!(
        processes.len(),
        16,
        "three tunnels per lab, two observers, and three for Services: {processes:?}"
    );
    trial.interrupt();
    let ended = trial.wait_at_most(Duration::from_secs(20));
    assert_eq!(ended.code, Some(1), "{}", ended.complaints);
    assert!(
        ended
            .complaints
            .contains("stopped before there was a result"),
        "{}",
        ended.complaints
    );
    assert_eq!(ended.output, "");
    for process in processes {
        assert!(!process.is_alive(), "{process:?} is left");
    }
    assert_nothing_left(&name);
}

#[test]
fn an_observer_that_ends_is_named_with_its_own_words() {
    if !possible("an_observer_that_ends_is_named_with_its_own_words") {
        return;
    }
    let trial = Trial::start(
        "dies",
        &["--for", "6s", "--scenario", "h2", "--", "--ring", "1"],
    );
    let name = trial.name.clone();
    let ended = trial.wait();
    assert_eq!(ended.code, Some(1));
    let said = ended.complaints.lines().last().unwrap_or_default();
    assert!(
        said.contains("observe node n") && said.contains("exit status: 2"),
        "{said}"
    );
    assert!(said.contains("--ring"), "the observer's own words: {said}");
    assert_nothing_left(&name);
}

#[test]
fn a_lab_of_the_same_name_is_refused_and_lives_on() {
    if !possible("a_lab_of_the_same_name_is_refused_and_lives_on") {
        return;
    }
    let name = bench::name("held");
    let held = Options::new(Scenario::H2).with_name(&format!("{name}-h2"));
    let held = Lab::up(bench::with_program(held)).expect("lab comes up");
    let ended = Trial::start("held", &["--for", "6s", "--scenario", "h2"]).wait();
    assert_eq!(ended.code, Some(1));
    let said = ended.complaints.lines().last().unwrap_or_default();
    assert!(
        said.contains(&format!("bring up lab {name}-h2: a lab of this name is up")),
        "{said}"
    );
    assert!(held.nodes().iter().all(|node| netns::exists(&node.netns)));
    drop(held);
    assert_nothing_left(&name);
}

#[test]
fn a_machine_with_a_pod_network_is_observed_itself() {
    if !possible("a_machine_with_a_pod_network_is_observed_itself") {
        return;
    }
    let name = format!("{}-h2", bench::name("node"));
    let options = Options::new(Scenario::H2).with_name(&name);
    let lab = Lab::up(bench::with_program(options)).expect("lab comes up");
    let node = &lab.nodes()[0].netns;
    let ended = Trial::within(node, "node", &["--for", "3s", "--", "--interval", "1s"]).wait();
    assert_eq!(ended.code, Some(0), "{}", ended.complaints);
    let said = "pod network found (flannel.1, cni0, tailscale0, lima0)";
    assert!(ended.complaints.contains(said), "{}", ended.complaints);
    assert!(
        ended.output.contains("frames seen"),
        "the live table: {}",
        ended.output
    );
}
