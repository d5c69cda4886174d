//! Bundles that were recorded beside live observers say the same when they are replayed: classes, stacks
//! and cut packets of every pair, on every node.

use std::time::Duration;

use xtask::lab::Scenario;
use xtask::small::{Run, observe};

use super::bench::{options, turn};
use super::program::observer;

/// How long traffic runs.
const TRAFFIC: Duration = Duration::from_secs(6);

#[test]
fn bundles_say_again_what_goes_through_services_and_is_masqueraded() {
    check(
        "bundles::bundles_say_again_what_goes_through_services_and_is_masqueraded",
        Scenario::H2c,
    );
}

#[test]
fn bundles_say_again_what_a_relay_carries() {
    check(
        "bundles::bundles_say_again_what_a_relay_carries",
        Scenario::S5,
    );
}

#[test]
fn bundles_say_again_which_way_each_peer_is_reached() {
    check(
        "bundles::bundles_say_again_which_way_each_peer_is_reached",
        Scenario::Mixed,
    );
}

fn check(test: &str, scenario: Scenario) {
    let Some(_turn) = turn(test) else { return };
    let options = options(scenario, "bundle");
    let run = Run {
        seed: fastrand::u64(..1_000_000),
        duration: TRAFFIC,
        record: None,
        name: options.name.clone(),
    };
    let observed = observe(options, &run, observer()).expect("observed and recorded");
    assert!(observed.is_right(), "{observed}");
}
