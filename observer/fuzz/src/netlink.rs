//! Target `netlink`: bytes as a datagram of the kernel's answers, and its entries as devices with
//! their points.

use observer::interfaces::{
    Kind, Message, Roles, Rules, WantedUnderlays, assign, devices, messages,
};

use crate::outcomes::{Outcome, Saw};

/// Bytes of a message header.
const HEADER: usize = 16;

const MESSAGES: [&str; 5] = ["entry", "end", "refusal", "unreadable", "other"];
const KINDS: [&str; 8] = [
    "physical",
    "loopback",
    "veth",
    "bridge",
    "tun",
    "wireguard",
    "vxlan",
    "other",
];
const ROLES: [&str; 2] = ["address", "attached"];

/// All that a corpus of datagrams must reach.
pub(crate) fn wanted() -> Vec<Outcome> {
    let messages = MESSAGES.iter().map(|name| ("message", *name));
    let kinds = KINDS.iter().map(|name| ("device", *name));
    let roles = ROLES.iter().map(|name| ("role", *name));
    messages.chain(kinds).chain(roles).collect()
}

/// Reads a datagram; panics where something is wrong.
pub(crate) fn run(input: &[u8], saw: Saw<'_>) {
    let (mut entries, mut number) = (Vec::new(), 0);
    for (_, message) in messages(input) {
        number += 1;
        saw("message", name(&message));
        if let Message::Entry { entry, .. } = message {
            entries.push(entry);
        }
    }
    assert!(
        number * HEADER <= input.len(),
        "every message has its header"
    );
    let devices = devices(entries.clone(), entries);
    let is_sorted = devices.is_sorted_by(|one, next| one.ifindex < next.ifindex);
    assert!(is_sorted, "a device stands once, in order");
    for device in &devices {
        saw("device", kind(&device.kind));
        if !device.addresses.is_empty() {
            saw("role", ROLES[0]);
        }
    }
    let wanted = WantedUnderlays {
        routed: devices
            .iter()
            .filter_map(|device| device.vxlan()?.lower)
            .collect(),
        default_routes: devices
            .iter()
            .map(|device| device.ifindex)
            .take(1)
            .collect(),
    };
    let roles = assign(&devices, &Rules::default(), &wanted, &Roles::default());
    for place in &roles.attachments {
        let is_known = devices.iter().any(|device| device.ifindex == place.ifindex);
        assert!(is_known, "a device that is attached is there");
        saw("role", ROLES[1]);
    }
}

const fn name(message: &Message) -> &'static str {
    match message {
        Message::Entry { .. } => MESSAGES[0],
        Message::End { .. } => MESSAGES[1],
        Message::Refusal(_) => MESSAGES[2],
        Message::Unreadable => MESSAGES[3],
        Message::Other => MESSAGES[4],
    }
}

const fn kind(kind: &Kind) -> &'static str {
    match kind {
        Kind::Physical => KINDS[0],
        Kind::Loopback => KINDS[1],
        Kind::Veth => KINDS[2],
        Kind::Bridge => KINDS[3],
        Kind::Tun => KINDS[4],
        Kind::WireGuard => KINDS[5],
        Kind::Vxlan(_) => KINDS[6],
        Kind::Other(_) => KINDS[7],
    }
}
