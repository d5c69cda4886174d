//! Names of everything that a frame can turn out to be, as outcomes.

use observer_ebpf::abi::biflow::Carriage;
use observer_ebpf::abi::counter::Loss;
use observer_ebpf::abi::event::EventKind;
use observer_ebpf::abi::outer::OuterKind;
use observer_ebpf::abi::point::FlowDirection;
use observer_ebpf::parse::{
    Fragment, IcmpErrorKind, Malformed, NotOurs, Opaque, Packet, Rejected, TimingKind,
};

use crate::outcomes::{Outcome, Saw};

/// The kernel's readers alone count these, and its program of drops; of the last one no input is long
/// enough to fill the map.
const NOT_ON_HOST: [Loss; 5] = [
    Loss::HeadersCopied,
    Loss::HeadersUnreadable,
    Loss::DropsRefused,
    Loss::DropsUnreadable,
    Loss::AnnouncedRefused,
];

const VALUES: [&str; 5] = [
    "plain",
    "vxlan",
    "nested",
    "too_deep",
    "first_outer_fragment",
];
const FRAGMENTS: [&str; 3] = ["none", "first", "later"];
const OPAQUE: [&str; 9] = [
    "none",
    "wireguard",
    "wireguard_handshake",
    "tcp",
    "later_fragment",
    "peer_relay",
    "peer_relay_control",
    "disco",
    "stun",
];
const TIMING: [&str; 7] = [
    "none",
    "tcp_plain",
    "tcp_stamped",
    "echo_request",
    "echo_reply",
    "dns_query",
    "dns_answer",
];
const PROTOCOLS: [&str; 5] = ["icmp", "tcp", "udp", "icmpv6", "other"];
const FAMILIES: [&str; 2] = ["v4", "v6"];
const DIRECTIONS: [&str; 2] = ["low_to_high", "high_to_low"];
const PATHS: [&str; 5] = ["unknown", "refused", "external", "host", "own"];
const EVENTS: [&str; 3] = ["announced", "round_trip", "refused"];
const OUTER: [&str; 12] = [
    "vxlan",
    "wireguard",
    "wireguard_handshake",
    "marked_tcp",
    "later_fragment",
    "relay_tcp",
    "peer_relay",
    "peer_relay_control",
    "disco",
    "overlay_wireguard",
    "overlay_control",
    "stun",
];
const ERRORS: [&str; 7] = [
    "none",
    "unreachable",
    "too_big",
    "time_exceeded",
    "parameter_problem",
    "source_quench",
    "redirect",
];

/// All that a corpus of frames must reach.
pub(crate) fn wanted() -> Vec<Outcome> {
    let named = |group: &'static str, names: &'static [&'static str]| {
        names.iter().map(move |name| (group, *name))
    };
    let losses = Loss::ALL
        .iter()
        .filter(|(loss, _)| !NOT_ON_HOST.contains(loss));
    losses
        .map(|(_, name)| ("ledger", *name))
        .chain(NotOurs::ALL.iter().map(|(_, name)| ("not_ours", *name)))
        .chain(Malformed::ALL.iter().map(|(_, name)| ("malformed", *name)))
        .chain(named("packet", &VALUES))
        .chain(named("fragment", &FRAGMENTS))
        .chain(named("opaque", &OPAQUE))
        .chain(named("timing", &TIMING))
        .chain(named("protocol", &PROTOCOLS))
        .chain(named("family", &FAMILIES))
        .chain(named("direction", &DIRECTIONS))
        .chain(named("path", &PATHS))
        .chain(named("icmp_error", &ERRORS))
        .chain(named("event", &EVENTS))
        .chain(named("outer", &OUTER))
        .collect()
}

/// Tells what came of a parse.
pub(crate) fn tell_parsed(parsed: &Result<Packet, Rejected>, saw: Saw<'_>) {
    match parsed {
        Ok(packet) => tell_packet(packet, saw),
        Err(Rejected::NotOurs(reason)) => {
            for (_, name) in NotOurs::ALL.iter().filter(|(one, _)| one == reason) {
                saw("not_ours", name);
            }
        }
        Err(Rejected::Malformed(reason)) => {
            for (_, name) in Malformed::ALL.iter().filter(|(one, _)| one == reason) {
                saw("malformed", name);
            }
        }
    }
}

fn tell_packet(packet: &Packet, saw: Saw<'_>) {
    let [plain, vxlan, nested, too_deep, first_outer] = VALUES;
    saw(
        "packet",
        match packet.carriage {
            Carriage::Plain => plain,
            Carriage::Vxlan => vxlan,
        },
    );
    if packet.too_deep {
        saw("packet", too_deep);
    }
    let within = packet.around().map(|outer| outer.within.layers());
    if within > Some(0) {
        saw("packet", nested);
    }
    let outer = packet.around().map(|outer| outer.fragment);
    if outer == Some(Fragment::First) {
        saw("packet", first_outer);
    }
    saw("fragment", FRAGMENTS[packet.fragment as usize]);
    saw("opaque", opaque(packet.opaque));
    saw("timing", timing(packet.timing.kind));
    saw("icmp_error", error(packet.error.kind));
    let place = [1, 6, 17, 58]
        .iter()
        .position(|one| *one == packet.key.protocol);
    saw("protocol", PROTOCOLS[place.unwrap_or(4)]);
    saw("family", FAMILIES[usize::from(packet.key.family == 6)]);
    saw(
        "direction",
        match packet.direction {
            FlowDirection::LowToHigh => DIRECTIONS[0],
            FlowDirection::HighToLow => DIRECTIONS[1],
        },
    );
}

/// No wildcard: what a parser learns to see gets a name here, and a seed.
const fn opaque(opaque: Opaque) -> &'static str {
    match opaque {
        Opaque::None => OPAQUE[0],
        Opaque::WireGuard => OPAQUE[1],
        Opaque::WireGuardHandshake => OPAQUE[2],
        Opaque::Tcp => OPAQUE[3],
        Opaque::LaterFragment => OPAQUE[4],
        Opaque::PeerRelay => OPAQUE[5],
        Opaque::PeerRelayControl => OPAQUE[6],
        Opaque::Disco => OPAQUE[7],
        Opaque::Stun => OPAQUE[8],
    }
}

const fn error(kind: IcmpErrorKind) -> &'static str {
    match kind {
        IcmpErrorKind::None => ERRORS[0],
        IcmpErrorKind::Unreachable => ERRORS[1],
        IcmpErrorKind::TooBig => ERRORS[2],
        IcmpErrorKind::TimeExceeded => ERRORS[3],
        IcmpErrorKind::ParameterProblem => ERRORS[4],
        IcmpErrorKind::SourceQuench => ERRORS[5],
        IcmpErrorKind::Redirect => ERRORS[6],
    }
}

const fn timing(kind: TimingKind) -> &'static str {
    match kind {
        TimingKind::None => TIMING[0],
        TimingKind::TcpPlain => TIMING[1],
        TimingKind::TcpStamped => TIMING[2],
        TimingKind::EchoRequest => TIMING[3],
        TimingKind::EchoReply => TIMING[4],
        TimingKind::DnsQuery => TIMING[5],
        TimingKind::DnsAnswer => TIMING[6],
    }
}

/// The name of a path number.
pub(crate) fn path(number: u32) -> Outcome {
    let reserved = usize::try_from(number).unwrap_or(usize::MAX);
    ("path", PATHS[reserved.min(PATHS.len() - 1)])
}

/// The name of an event's kind.
pub(crate) const fn event(kind: EventKind) -> Outcome {
    let name = match kind {
        EventKind::Announced => EVENTS[0],
        EventKind::RoundTrip => EVENTS[1],
        EventKind::Refused => EVENTS[2],
        // Of the kernel's program of drops: no frame makes one.
        EventKind::Dropped => "dropped",
    };
    ("event", name)
}

/// The name of an outer flow's kind, a number of [`OuterKind`].
pub(crate) fn outer(kind: u8) -> Outcome {
    let place = usize::from(kind).checked_sub(OuterKind::Vxlan as usize);
    let name = place.and_then(|place| OUTER.get(place));
    ("outer", name.copied().unwrap_or("unnamed"))
}
