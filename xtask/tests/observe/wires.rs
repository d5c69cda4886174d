//! Wires for the tests of what is observed before the stack: two namespaces with one between them, and
//! what a device itself, nftables and the agent count there. It judges exactness alone.

use std::net::Ipv4Addr;
use std::process::Command;
use std::thread;
use std::time::Instant;

use serde_json::Value;
use xtask::lab::Node;
use xtask::oracle::{Counter, Hook};
use xtask::traffic::{Bulk, Ping, Place, Stop, Volume};

use super::agent::{Agent, INTERVAL, patience};
use super::bad_input::Room;
use super::offload::merge_received;
use super::output::WireLine;

/// Where a room's packets go in and out, and its address.
pub(crate) const DEVICE: &str = "eth0";
const ADDRESSES: [[u8; 4]; 2] = [[10, 9, 0, 1], [10, 9, 0, 2]];

/// A namespace with both counts of its underlays.
pub(crate) struct Watched<'a> {
    netns: &'a str,
    devices: Vec<&'a str>,
    agent: &'a Agent,
    buffers: Vec<Counter>,
}

/// What came in at all underlays of a node, by the agent, the devices and nftables.
#[derive(Debug, Clone)]
pub(crate) struct Passed {
    pub(crate) wire: WireLine,
    received: u64,
    buffers: u64,
}

impl<'a> Watched<'a> {
    pub(crate) fn new(node: &'a Node, agent: &'a Agent) -> Self {
        let devices = node.devices.iter().map(|device| device.name.as_str());
        Self::at(&node.netns, devices.collect(), agent)
    }

    pub(crate) fn at(netns: &'a str, devices: Vec<&'a str>, agent: &'a Agent) -> Self {
        let install = |device: &&str| Counter::install(netns, device, Hook::Ingress, "");
        let buffers = devices.iter().map(install);
        Self {
            buffers: buffers.map(|counter| counter.expect("counter")).collect(),
            netns,
            devices,
            agent,
        }
    }

    /// The counts of a moment at which nothing passed.
    pub(crate) fn still(&self) -> Passed {
        let counted = || {
            let devices = self.devices.iter();
            let received = devices.map(|device| received(self.netns, device));
            let buffers = self
                .buffers
                .iter()
                .map(|counter| counter.read().expect("count").packets);
            (received.sum::<u64>(), buffers.sum::<u64>())
        };
        for _ in 0..20 {
            let before = counted();
            let wires = still(self.agent);
            if counted() == before {
                assert_eq!(wires.len(), self.devices.len(), "{wires:?}");
                let none = WireLine::default();
                return Passed {
                    wire: wires
                        .iter()
                        .fold(none, |sum, wire| sum.with(wire, |a, b| a + b)),
                    received: before.0,
                    buffers: before.1,
                };
            }
        }
        panic!("{} is never still", self.netns);
    }
}

impl Passed {
    pub(crate) fn since(&self, before: &Self) -> Self {
        Self {
            wire: self.wire.with(&before.wire, |a, b| a - b),
            received: self.received - before.received,
            buffers: self.buffers - before.buffers,
        }
    }

    pub(crate) fn assert_exact(&self) {
        let wire = &self.wire;
        assert_eq!(
            wire.packets, self.received,
            "frames of the device: {self:#?}"
        );
        assert_eq!(wire.buffers, self.buffers, "buffers of nft: {self:#?}");
        assert_eq!(wire.segments, wire.packets, "{self:#?}");
        assert_eq!(wire.segment_bytes, wire.bytes, "{self:#?}");
    }
}

/// What came in by the wire of two rooms during pings and a transfer of `bytes`, after a check that all of it
/// was counted and every ping timed.
pub(crate) fn exact(rooms: &[Room; 2], agent: &Agent, bytes: u64) -> Passed {
    const PINGS: u32 = 20;
    let [here, there] = places(rooms);
    let watched = Watched::at(&rooms[0].netns, vec![DEVICE], agent);
    let before = watched.still();
    let ping = Ping::new(here.clone(), there.address, PINGS).drive(&Stop::default());
    assert_eq!(ping.expect("ping").received, PINGS);
    let pinged = watched.still();
    let passed = pinged.since(&before);
    passed.assert_exact();
    let delay = passed.wire.delay_ms.expect("timed");
    assert_eq!(delay.count, u64::from(PINGS), "{passed:#?}");
    let load = Bulk::new(there, here, Volume::Bytes(bytes));
    assert_eq!(load.drive(&Stop::default()).expect("transfer").bytes, bytes);
    let passed = watched.still().since(&pinged);
    passed.assert_exact();
    assert!(passed.wire.packets > bytes / 1_500, "{passed:#?}");
    passed
}

/// The lines of two sweeps between which nothing came in.
pub(crate) fn still(agent: &Agent) -> Vec<WireLine> {
    let mut last = agent.next_sweep().wires;
    let deadline = Instant::now() + patience();
    while Instant::now() < deadline {
        thread::sleep(INTERVAL / 2);
        let next = agent.next_sweep().wires;
        let packets = |wires: &[WireLine]| wires.iter().map(|wire| wire.packets).sum::<u64>();
        if packets(&next) == packets(&last) && !next.is_empty() {
            return next;
        }
        last = next;
    }
    panic!("never still: {last:?}");
}

/// Has the underlays of a node merge what they receive.
pub(crate) fn merge(node: &Node) {
    for device in &node.devices {
        merge_received(&node.netns, &device.name);
    }
}

/// Two rooms with a wire between them.
pub(crate) fn rooms(purpose: &str) -> [Room; 2] {
    let rooms = ["a", "b"].map(|side| Room::new(&format!("{purpose}-{side}")));
    connect(&rooms);
    rooms
}

pub(crate) fn connect(rooms: &[Room; 2]) {
    let [here, there] = rooms;
    here.ip(&[&format!(
        "link add {DEVICE} type veth peer name {DEVICE} netns {}",
        there.netns
    )]);
    address(rooms);
}

/// Gives the device of each room its address.
pub(crate) fn address(rooms: &[Room; 2]) {
    for (room, [a, b, c, d]) in rooms.iter().zip(ADDRESSES) {
        room.ip(&[
            &format!("addr add {a}.{b}.{c}.{d}/24 dev {DEVICE}"),
            &format!("link set {DEVICE} up"),
        ]);
    }
}

/// An agent that has its program in place.
pub(crate) fn started(room: &Room, mode: &str) -> Agent {
    let arguments = ["--xdp", mode, "--sample-one-in", "1"];
    let agent = Agent::start(&room.netns, "n1", &arguments);
    let sweep = agent.await_sweep("its wire", |sweep| !sweep.wires.is_empty());
    assert_eq!(sweep.ledger.get("not_attached"), 0, "{sweep:?}");
    agent
}

/// Mode of the XDP program of a device, if it has one.
pub(crate) fn xdp(netns: &str, device: &str) -> Option<u64> {
    let found = show(netns, device).get("xdp")?.clone();
    found.get("mode")?.as_u64()
}

/// Number of that program in the kernel.
pub(crate) fn holder(netns: &str) -> Option<u64> {
    let found = show(netns, DEVICE);
    found.pointer("/xdp/prog/id").and_then(Value::as_u64)
}

/// Frames that a device has received, by its own count.
pub(crate) fn received(netns: &str, device: &str) -> u64 {
    let found = show(netns, device);
    let packets = found.pointer("/stats64/rx/packets");
    packets.and_then(Value::as_u64).expect("a count")
}

fn show(netns: &str, device: &str) -> Value {
    let mut command = Command::new("ip");
    command.args(["-n", netns, "-d", "-s", "-j", "link", "show", "dev", device]);
    let done = command.output().expect("ip of iproute2");
    let read = serde_json::from_slice::<Value>(&done.stdout);
    read.unwrap_or_default().get(0).cloned().unwrap_or_default()
}

/// Both ends of the wire.
pub(crate) fn places(rooms: &[Room; 2]) -> [Place; 2] {
    [0, 1].map(|room| Place::new(&rooms[room].netns, Ipv4Addr::from(ADDRESSES[room])))
}
