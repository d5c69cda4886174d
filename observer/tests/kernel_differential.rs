//! Kernel and host run the same parser and the same packet step: shown the same frames they must
//! hold the same entries, rows, counters and events. Needs root.

#[path = "kernel_differential/calls.rs"]
mod calls;
#[path = "kernel_differential/composer.rs"]
mod composer;
#[path = "kernel_differential/device.rs"]
mod device;
#[path = "kernel_differential/generated.rs"]
mod generated;
#[path = "kernel_differential/kernel.rs"]
mod kernel;
#[path = "kernel_differential/pair.rs"]
mod pair;
#[path = "kernel_differential/sequences.rs"]
mod sequences;
#[path = "../../xtask/src/skip.rs"]
#[expect(unreachable_pub, reason = "a library of xtask, a module here")]
mod skip;
#[path = "kernel_differential/state.rs"]
mod state;
#[path = "kernel_differential/talk.rs"]
mod talk;
#[path = "kernel_differential/tun.rs"]
mod tun;
#[path = "kernel_differential/virtio.rs"]
mod virtio;

use observer_ebpf::abi::point::{Hook, Point, Site};
use observer_ebpf::fixtures::{self, Expected, Fixture};
use observer_ebpf::parse::Rejected;

use pair::{Pair, with_pair};
use state::State;

fn all_sites() -> impl Iterator<Item = Site> {
    let hooks = |point| Hook::ALL.map(|hook| Site { point, hook });
    Point::ALL.into_iter().flat_map(hooks)
}

fn see(pair: &mut Pair<'_>, site: Site, fixture: &Fixture, cut: usize) -> bool {
    pair.see(site, &fixture.bytes[..cut], fixture.gso_size, fixture.mark)
}

/// The ledger and the sums over all rows say what the fixture says.
fn check_expectation(state: &State, fixture: &Fixture) {
    let name = fixture.name;
    assert_eq!(state.counter("frames"), 1, "{name}");
    let rows: Vec<_> = state.traffic.values().collect();
    match &fixture.expected {
        Expected::Value(value) => {
            let size = value.size();
            assert_eq!(rows, [&[1, size.bytes, size.segments, 0]], "{name}");
            assert_eq!(state.counter("datagrams_hidden"), 0, "{name}");
            assert_eq!(
                state.counter("too_deep"),
                u64::from(value.too_deep),
                "{name}"
            );
        }
        Expected::NotOurs(reason) => rejected(state, fixture, Rejected::NotOurs(*reason)),
        Expected::Malformed(reason) => rejected(state, fixture, Rejected::Malformed(*reason)),
    }
}

fn rejected(state: &State, fixture: &Fixture, reason: Rejected) {
    use observer_ebpf::parse::{Malformed, NotOurs};
    let name = match reason {
        Rejected::NotOurs(reason) => {
            NotOurs::ALL
                .iter()
                .find(|(one, _)| *one == reason)
                .expect("a reason")
                .1
        }
        Rejected::Malformed(reason) => {
            Malformed::ALL
                .iter()
                .find(|(one, _)| *one == reason)
                .expect("a reason")
                .1
        }
    };
    assert_eq!(state.counter(name), 1, "{}", fixture.name);
    assert!(
        state.traffic.is_empty() && state.biflows.is_empty(),
        "{}",
        fixture.name
    );
}

#[test]
fn every_fixture_leaves_the_same_in_kernel_and_host_as_named() {
    with_pair(
        "every_fixture_leaves_the_same_in_kernel_and_host_as_named",
        |pair| {
            let mut not_run = Vec::new();
            for fixture in fixtures::all() {
                for site in fixture.place.sites() {
                    pair.clear();
                    if see(pair, site, &fixture, fixture.bytes.len()) {
                        let state = pair.agree(&format!("{} at {site:?}", fixture.name));
                        check_expectation(&state, &fixture);
                    } else if !not_run.contains(&fixture.name) {
                        not_run.push(fixture.name);
                    }
                }
            }
            println!("frames that BPF_PROG_TEST_RUN does not take: {not_run:?}");
            let known = [
                "ethernet_of_13_bytes_is_short",
                "tunnel_packet_of_one_byte_is_empty",
                "ipv4_header_cut_at_19_bytes_is_short",
                "ipv6_header_cut_at_39_bytes_is_short",
                "gso_beyond_64_kib_states_no_length",
                "gso_inside_vxlan_of_64_kib_counts_inner_segments",
            ];
            assert_eq!(not_run, known);
            let passed = fixtures::all().len() - not_run.len();
            println!("netpath-fact: fixtures passed = {passed}");
        },
    );
}

#[test]
fn every_cut_leaves_the_same_in_kernel_and_host() {
    with_pair("every_cut_leaves_the_same_in_kernel_and_host", |pair| {
        let mut runs = 0_u32;
        for fixture in fixtures::all() {
            for site in fixture.place.sites() {
                pair.clear();
                for cut in 0..fixture.bytes.len() {
                    runs += u32::from(see(pair, site, &fixture, cut));
                }
                pair.agree(&format!("all cuts of {} at {site:?}", fixture.name));
            }
        }
        println!("{runs} cuts");
    });
}

#[test]
fn every_program_lets_every_fixture_pass_unchanged() {
    with_pair("every_program_lets_every_fixture_pass_unchanged", |pair| {
        for site in all_sites() {
            pair.clear();
            for fixture in fixtures::all() {
                see(pair, site, &fixture, fixture.bytes.len());
            }
            pair.agree(&format!("all fixtures at {site:?}"));
        }
    });
}
