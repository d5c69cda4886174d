//! Native XDP at network cards with a driver of their own, where somebody has set a pair aside that one wire
//! joins and whose host merges nothing for them: `auto` attaches there, counts every frame, loses none while
//! the program comes and goes, and leaves offloads and link as they were.

use std::env;
use std::fs;
use std::time::Duration;

use xtask::lab::netns;
use xtask::oracle::{Counter, Hook};
use xtask::skip;
use xtask::traffic::{Bulk, Datagrams, Load, Stop, Volume};

use super::agent::Agent;
use super::bad_input::Room;
use super::bench::{turn, with_load};
use super::offload::features;
use super::wires::{DEVICE, address, exact, places, started, xdp};

/// Names two devices of this namespace, with a comma between, that the test may take.
const CARDS: &str = "NETPATH_CARDS";
/// How `ip link` tells native mode.
const NATIVE: u64 = 1;
/// How often the program comes and goes under traffic.
const ROUNDS: usize = 2;
const BULK: u64 = 5_000_000;

#[test]
fn auto_counts_the_wire_of_a_virtio_card_and_loses_nothing_by_it() {
    let test = "cards::auto_counts_the_wire_of_a_virtio_card_and_loses_nothing_by_it";
    let Some(_turn) = turn(test) else { return };
    let Ok(names) = env::var(CARDS) else {
        skip::skip(test, "no pair of network cards is set aside for it");
        return;
    };
    let rooms = joined(&names);
    let [here, there] = places(&rooms);
    let netns = rooms[0].netns.as_str();
    let before = (features(netns, DEVICE), link_changes(netns));

    // While datagrams pass the program comes and goes.
    let udp = |room: &Room, hook| Counter::install(&room.netns, DEVICE, hook, "meta l4proto udp");
    let [sent, received] = [(&rooms[1], Hook::Egress), (&rooms[0], Hook::Ingress)]
        .map(|(room, hook)| udp(room, hook).expect("counter"));
    let load = Load::Datagrams(Datagrams {
        gap: Duration::from_millis(1),
        ..Datagrams::new(there.clone(), here.clone(), u32::MAX, 500)
    });
    with_load(&[load], || {
        for _ in 0..ROUNDS {
            let agent = started(&rooms[0], "auto");
            assert_eq!(xdp(netns, DEVICE), Some(NATIVE));
            assert_eq!((features(netns, DEVICE), link_changes(netns)), before);
            assert_eq!(agent.end().status.code(), Some(0));
            assert_eq!(xdp(netns, DEVICE), None);
        }
    });
    let [sent, received] = [sent, received].map(|counter| counter.read().expect("count").packets);
    assert!(sent > 1_000, "{sent} datagrams");
    assert_eq!(received, sent, "none is lost at {ROUNDS} times on and off");
    assert_eq!((features(netns, DEVICE), link_changes(netns)), before);

    let agent = Agent::start(netns, "n1", &["--xdp", "off"]);
    agent.await_attached();
    let off = rate(&rooms);
    assert_eq!(agent.end().status.code(), Some(0));
    let agent = started(&rooms[0], "auto");
    let native = rate(&rooms);
    let moved = exact(&rooms, &agent, BULK);
    let (frames, buffers) = (moved.wire.packets, moved.wire.buffers);
    println!(
        "netpath-fact: native XDP at virtio_net = {frames} frames in {buffers} buffers, exact; none of \
         {sent} lost in {ROUNDS} times on and off; {off:.0} Mbit/s with TC alone, {native:.0} with both"
    );
}

/// What one connection moves, in Mbit/s.
fn rate(rooms: &[Room; 2]) -> f64 {
    let [here, there] = places(rooms);
    let load = Bulk::new(there, here, Volume::Bytes(BULK));
    let report = load.drive(&Stop::default()).expect("transfer");
    report.bits_per_second / 1e6
}

/// Two rooms with a card each; the kernel gives them back with the rooms.
fn joined(names: &str) -> [Room; 2] {
    let rooms = ["card-a", "card-b"].map(Room::new);
    let names: Vec<_> = names.split(',').collect();
    assert_eq!(names.len(), 2, "{CARDS}: {names:?}");
    for (room, name) in rooms.iter().zip(names) {
        let all = "/proc/sys/net/ipv6/conf/default/disable_ipv6";
        let silent = netns::within(&room.netns, || fs::write(all, "1"));
        silent.expect("namespace").expect("switch");
        room.take(name, DEVICE);
    }
    address(&rooms);
    rooms
}

/// How often the link came or went.
fn link_changes(netns: &str) -> String {
    let path = format!("/sys/class/net/{DEVICE}/carrier_changes");
    let said = netns::command(netns, &["cat", &path]).output();
    String::from_utf8(said.expect("cat").stdout).expect("text")
}
