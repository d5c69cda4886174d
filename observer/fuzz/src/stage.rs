//! The observer that a sequence of frames is shown to: a small one, so that its rooms are full soon.

use observer::config::Network;
use observer::host::{HostObserver, Sizes};
use observer_ebpf::abi::FIRST_PATH;
use observer_ebpf::abi::biflow::Assignment;
use observer_ebpf::abi::control::{BUDGETS, Control, Cover};
use observer_ebpf::abi::key::{Address, Endpoint, Family, FlowKey, FlowKind, PairKey};
use observer_ebpf::abi::relay::RelayKey;
use observer_ebpf::fixtures::{NODE_A, NODE_B, POD_A, POD_A6, POD_B, POD_B6, TAIL_B};

use crate::case::{Setting, Switch};

/// The networks of pods.
const PODS: [&str; 2] = ["10.42.0.0/16", "fd42::/48"];
/// Where the relay listens.
const RELAY: (Address, u16) = (Address::v4(NODE_B), 443);
/// Sizes by two bits of [`Setting::rooms`].
const ROOMS: [usize; 4] = [64, 0, 1, 4];

/// An observer that has seen nothing.
pub(crate) fn observer(setting: Setting) -> HostObserver {
    let networks = networks(setting);
    let mut host = HostObserver::new(sizes(setting), control(setting, &networks));
    host.networks = networks.iter().map(Network::key).collect();
    if setting.has(Switch::Nodes) {
        let nodes = [
            [10, 42, 1, 0],
            [10, 42, 2, 0],
            NODE_A,
            NODE_B,
            POD_A,
            TAIL_B,
        ];
        host.nodes = nodes.into_iter().map(Address::v4).collect();
    }
    if setting.has(Switch::Relays) {
        host.relays.insert(RelayKey::new(RELAY.0, RELAY.1));
    }
    if setting.has(Switch::Pairs) {
        let flags = if setting.has(Switch::ProvisionalPairs) {
            Assignment::PROVISIONAL
        } else {
            0
        };
        for (path, pair) in (FIRST_PATH..).zip(pairs()) {
            let rate = setting.rate;
            host.pairs.insert(pair, Assignment { path, rate, flags });
        }
    }
    if setting.has(Switch::Translations) {
        let ends = (Address::v4(POD_A), Address::v4(POD_B));
        for (protocol, port) in [(6, 8_080), (6, 5_201), (17, 5_201)] {
            let key = flow(ends, protocol, (40_000, port));
            let assignment = Assignment {
                path: FIRST_PATH,
                rate: setting.rate,
                flags: Assignment::TURNED | Assignment::ENTERS_ELSEWHERE,
            };
            host.translations.insert(key, assignment);
        }
    }
    host
}

/// Networks of the pods; without any nobody is a pod.
fn networks(setting: Setting) -> Vec<Network> {
    if setting.has(Switch::NoNetworks) {
        return Vec::new();
    }
    PODS.iter().filter_map(|text| text.parse().ok()).collect()
}

fn pairs() -> [PairKey; 3] {
    [
        (Address::v4(POD_A), Address::v4(POD_B)),
        (Address::v6(POD_A6.octets()), Address::v6(POD_B6.octets())),
        (Address::v4([10, 42, 1, 1]), Address::v4([10, 42, 2, 1])),
    ]
    .map(|ends| flow(ends, 0, (0, 0)).pair())
}

/// The key of a flow between two addresses, with their ports.
fn flow((one, other): (Address, Address), protocol: u8, ports: (u16, u16)) -> FlowKey {
    let end = |address, port| Endpoint { address, port };
    let kind = (FlowKind::Flow, Family::V4);
    FlowKey::canonical(end(one, ports.0), end(other, ports.1), protocol, kind).0
}

fn sizes(setting: Setting) -> Sizes {
    let room = |shift: u8| ROOMS[usize::from(setting.rooms >> shift & 3)];
    Sizes {
        biflows: room(0),
        outer_flows: room(2),
        events: room(4),
    }
}

fn control(setting: Setting, networks: &[Network]) -> Control {
    let limits: [u32; BUDGETS] = std::array::from_fn(|budget| setting.limit(budget));
    Control {
        cover: Cover::of(
            &Network::cover(networks, true),
            &Network::cover(networks, false),
        ),
        epoch: 1,
        pairs_version: 1,
        limits,
        window_shift: 5,
        rate: setting.rate,
        echo_rate: setting.rate,
        ports_attached: u8::from(setting.has(Switch::PortsAttached)),
        relays: u32::from(setting.has(Switch::Relays)),
        paths_full: u32::from(setting.has(Switch::PathsFull)),
    }
}
