//! Packets that this kernel drops for their size, in a network namespace of the test's own: each is
//! counted at its place, and one that fits, or another namespace's, is not. Needs root, and `ip`.

#[path = "../../xtask/src/skip.rs"]
#[expect(unreachable_pub, reason = "a library of xtask, a module here")]
mod skip;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, UdpSocket};
use std::process::Command;
use std::{fs, thread};

use nix::sched::{CloneFlags, unshare};
use observer::kernel::{DropWatch, Object, Sizes};
use observer_ebpf::abi::PATH_UNKNOWN;
use observer_ebpf::abi::control::{Control, Cover, Prefix};
use observer_ebpf::abi::drop::{DropKey, DropRecord, Place};
use observer_ebpf::abi::event::EventKind;
use observer_ebpf::abi::key::{Address, NetworkKey};

/// UDP payloads of IPv4 packets of 1,328 and 1,228 bytes.
const LONG: usize = 1_300;
const SHORT: usize = 1_200;
const NARROW: u32 = 1_230;

/// A veth whose far end is narrow, a bridge with a narrow port, and a way through a narrow bridge, all for
/// packets of this namespace's own.
const WORLD: &[&str] = &[
    "link set lo up",
    "link add a0 mtu 1450 type veth peer name a1 mtu 1230",
    "link set a0 address 02:00:00:00:00:0a up",
    "link set a1 address 02:00:00:00:00:0b up",
    "addr add 10.42.9.1/24 dev a0",
    "neigh add 10.42.9.2 lladdr 02:00:00:00:00:0b dev a0 nud permanent",
    "link add br0 address 02:00:00:00:00:0c type bridge",
    "link add p0 type veth peer name p1",
    "link set p0 master br0 mtu 1230 up",
    "link set p1 up",
    "link set br0 mtu 1450 up",
    "addr add 10.42.8.1/24 dev br0",
    "neigh add 10.42.8.2 lladdr 02:00:00:00:00:0d dev br0 nud permanent",
    "link add b0 type veth peer name b1",
    "link set b0 address 02:00:00:00:00:0e up",
    "link set b1 address 02:00:00:00:00:0f up",
    "addr add 10.42.7.1/24 dev b0",
    "link add br1 mtu 1230 type bridge",
    "link set br1 mtu 1230 up",
    "rule add iif b1 lookup 100",
    "route add 10.42.7.0/24 dev br1 table 100",
];
/// Receivers behind the bridge that is forwarded to: each sends one ICMP, and is then known.
const FORWARDED: [u8; 3] = [2, 3, 4];

#[tokio::test]
async fn drops_for_size_are_counted_at_their_places() {
    let test = "drops_for_size_are_counted_at_their_places";
    if !rustix::process::geteuid().is_root() {
        skip::skip(test, "a network namespace needs root");
        return;
    }
    unshare(CloneFlags::CLONE_NEWNET).expect("a namespace");
    build();
    let mut object = watched();
    let mut watch = DropWatch::begin(&mut object).expect("the tracepoint");
    watch.find_places(&mut object).expect("the symbols");
    let used = [Place::IpForward, Place::BridgePort, Place::VethToNode];
    let gaps = watch.gaps(&used.into());
    assert!(gaps.is_empty(), "{gaps:?}");
    thread::spawn(strange).join().expect("another namespace's");

    for _ in 0..3 {
        send([10, 42, 9, 2], LONG);
        send([10, 42, 9, 2], SHORT);
    }
    for _ in 0..5 {
        send([10, 42, 8, 2], LONG);
        send([10, 42, 8, 2], SHORT);
    }
    for host in FORWARDED {
        send([10, 42, 7, host], LONG);
    }

    let mut found = BTreeMap::new();
    let mut add = |key: DropKey, value: DropRecord| {
        let place = Place::from_number(key.place).expect("a place");
        let reason = watch.reasons()[&key.reason].clone();
        assert_eq!(key.path, PATH_UNKNOWN, "{place:?}");
        assert_eq!((value.mtu, value.largest), (NARROW, 1_328), "{place:?}");
        assert_eq!(value.bytes, value.packets * 1_328, "{place:?}");
        let sum = found.entry((place, reason, name(key.ifindex))).or_insert(0);
        *sum += value.packets;
    };
    object.drops.for_each(&mut add).expect("read");
    let expected = [
        ((Place::IpForward, "PKT_TOO_BIG", "br1"), 3),
        ((Place::BridgePort, "NOT_SPECIFIED", "p0"), 5),
        ((Place::VethToNode, "NOT_SPECIFIED", "a1"), 3),
    ];
    let expected = expected.map(|((place, reason, device), packets)| {
        ((place, reason.to_owned(), device.to_owned()), packets)
    });
    assert_eq!(found, BTreeMap::from(expected));
    println!("netpath-fact: dropped for their size = {found:?}");
    let reasons = watch.reasons().iter();
    let is_ours =
        |(_, name): &(_, &String)| ["PKT_TOO_BIG", "NOT_SPECIFIED"].contains(&name.as_str());
    let ours: Vec<_> = reasons.filter(is_ours).collect();
    println!("netpath-fact: numbers of reasons = {ours:?}");
    let mut announced = 0;
    object.events.drain(100, |event| {
        assert_eq!(EventKind::from_number(event.kind), Some(EventKind::Dropped));
        announced += 1;
    });
    assert_eq!(announced, 11, "a pair without a number asks for one");
}

/// The same drop in a namespace that is none of the agent's.
fn strange() {
    unshare(CloneFlags::CLONE_NEWNET).expect("a namespace");
    build();
    for _ in 0..7 {
        send([10, 42, 8, 2], LONG);
        send([10, 42, 9, 2], LONG);
    }
}

fn build() {
    for line in WORLD {
        ip(line);
    }
    // A packet of this host's comes back by another device, and is forwarded.
    for (key, value) in [
        ("net/ipv4/ip_forward", "1"),
        ("net/ipv4/conf/b1/accept_local", "1"),
        ("net/ipv4/conf/b1/rp_filter", "0"),
        ("net/ipv4/conf/all/rp_filter", "0"),
        ("net/ipv6/conf/all/disable_ipv6", "1"),
    ] {
        fs::write(format!("/proc/sys/{key}"), value).expect(key);
    }
    for host in FORWARDED {
        ip(&format!(
            "neigh add 10.42.7.{host} lladdr 02:00:00:00:00:0f dev b0 nud permanent"
        ));
    }
}

fn ip(line: &str) {
    let done = Command::new("ip").args(line.split(' ')).status();
    assert!(done.expect("ip").success(), "ip {line}");
}

fn name(ifindex: u32) -> String {
    let said = Command::new("ip")
        .args(["-o", "link"])
        .output()
        .expect("ip");
    let text = String::from_utf8(said.stdout).expect("text");
    let own = format!("{ifindex}: ");
    let line = text.lines().find(|line| line.starts_with(&own));
    let name = line.and_then(|line| line.split([' ', ':', '@']).nth(2));
    name.unwrap_or_default().to_owned()
}

/// A datagram, not to be cut. An error of the one before is not this one's.
fn send(to: [u8; 4], length: usize) {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a socket");
    let sent = socket.send_to(&vec![b'd'; length], (Ipv4Addr::from(to), 9));
    assert_eq!(sent.expect("send"), length);
}

/// The maps of an agent whose pods have 10.42.0.0/16.
fn watched() -> Object {
    let sizes = Sizes {
        biflows: 1_024,
        ring: 65_536,
        wired: false,
    };
    let mut object = Object::load(sizes).expect("load the maps");
    let network = Address::v4([10, 42, 0, 0]);
    let key = NetworkKey {
        length: 96 + 16,
        octets: network.octets(),
    };
    object.networks.put(&key, &1).expect("a network");
    let mut mask = [0xff; 16];
    mask[14..].fill(0);
    let prefix = Prefix {
        value: network,
        mask: Address::v6(mask),
    };
    object.control.set(Control {
        cover: Cover::of(&prefix, &Prefix::NONE),
        limits: [1_000; 5],
        window_shift: 5,
        ..Control::default()
    });
    object
}
