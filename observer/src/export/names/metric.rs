//! Metric names. Labels are bounded: nodes, classes, modes, points; never pods, addresses or ports.

use super::attribute::{
    CLASS, DESTINATION_NODE, FINDING, FIX, FRAG_LAYER, NETWORK_INTERFACE_NAME, OVERSIZE_PLACE,
    OVERSIZE_PROOF, POINT, REASON, SOURCE_NODE, TAILSCALE_MODE, XDP_MODE,
};
use super::{Kind, Metric};

/// Passive round trips of data sent by the source, by observation point.
pub const RTT: Metric = row(
    "netpath.rtt",
    Kind::Histogram,
    "s",
    "Passive round trips of data sent by the source, by observation point: TCP, echo, and DNS, whose answers \
     hold the server's own time",
    &[SOURCE_NODE, DESTINATION_NODE, CLASS, TAILSCALE_MODE, POINT],
);
/// Packets on the wire from source to destination, as this node counted them at its pod point.
pub const PACKETS: Metric = row(
    "netpath.packets",
    Kind::Counter,
    "{packet}",
    "Packets on the wire from source to destination, as this node counted them at its pod point",
    PATH,
);
/// L3 bytes of those packets without encapsulation.
pub const IO: Metric = row(
    "netpath.io",
    Kind::Counter,
    "By",
    "L3 bytes of those packets without encapsulation",
    PATH,
);
/// Fragments by the layer that was cut.
pub const FRAGMENTS: Metric = row(
    "netpath.fragments",
    Kind::Counter,
    "{fragment}",
    "Fragments by the layer that was cut",
    &[
        SOURCE_NODE,
        DESTINATION_NODE,
        CLASS,
        TAILSCALE_MODE,
        FRAG_LAYER,
    ],
);
/// Packets that did not get through for their size, by what shows it.
pub const OVERSIZE: Metric = row(
    "netpath.oversize.drops",
    Kind::Counter,
    "{packet}",
    "Packets that this node dropped for their size, by what shows it and where",
    &[
        SOURCE_NODE,
        DESTINATION_NODE,
        CLASS,
        TAILSCALE_MODE,
        OVERSIZE_PROOF,
        OVERSIZE_PLACE,
    ],
);
/// ICMP errors that tell a pod that its packets are too long.
pub const ANNOUNCED: Metric = row(
    "netpath.oversize.announced",
    Kind::Counter,
    "{packet}",
    "ICMP errors on their way to a pod of this node that say that its packet was too long, by what shows it",
    &[
        SOURCE_NODE,
        DESTINATION_NODE,
        CLASS,
        TAILSCALE_MODE,
        OVERSIZE_PROOF,
    ],
);
/// Open findings by cause and node pair; 0 once a finding is gone.
pub const FINDING_OPEN: Metric = row(
    "netpath.finding",
    Kind::Gauge,
    "1",
    "Open findings by cause and node pair; 0 once a finding is gone",
    &[FINDING, FIX, SOURCE_NODE, DESTINATION_NODE],
);
/// Largest inner packet that passes uncut; the least where paths share labels.
pub const PATH_MTU: Metric = row(
    "netpath.path.mtu",
    Kind::Gauge,
    "By",
    "Largest inner packet that passes uncut; the least where paths share labels",
    PATH,
);
/// MTU of a device at an observation point; pod ports are left out.
pub const INTERFACE_MTU: Metric = row(
    "netpath.interface.mtu",
    Kind::Gauge,
    "By",
    "MTU of a device at an observation point; pod ports are left out",
    &[NETWORK_INTERFACE_NAME, POINT],
);
/// Frames that an underlay's XDP program saw.
pub const WIRE_PACKETS: Metric = row(
    "netpath.wire.packets",
    Kind::Counter,
    "{packet}",
    "Frames that came in from the wire, before GRO, as the underlay's XDP program saw them",
    WIRE,
);
/// Bytes of those frames.
pub const WIRE_IO: Metric = row(
    "netpath.wire.io",
    Kind::Counter,
    "By",
    "Bytes of those frames, link header included",
    WIRE,
);
/// Socket buffers at the underlay's TC ingress.
pub const WIRE_BUFFERS: Metric = row(
    "netpath.wire.buffers",
    Kind::Counter,
    "{buffer}",
    "Socket buffers that came to the underlay's TC ingress, behind GRO",
    WIRE,
);
/// Frames that those were made of.
pub const WIRE_SEGMENTS: Metric = row(
    "netpath.wire.segments",
    Kind::Counter,
    "{packet}",
    "Frames that those buffers were made of, by the sizes of their segments; less than \
     `netpath.wire.packets` by what was lost on the way",
    WIRE,
);
/// Time of selected packets from XDP to TC ingress.
pub const WIRE_DURATION: Metric = row(
    "netpath.wire.duration",
    Kind::Histogram,
    "s",
    "Time of selected packets from the arrival at XDP to TC ingress: GRO, queues, the processor's other work",
    WIRE,
);
/// Devices that are not observed at this time.
pub const NOT_ATTACHED: Metric = row(
    "netpath.observer.not_attached",
    Kind::Gauge,
    "{device}",
    "Devices that are not observed at this time, or by a reason `xdp_*` not before the stack; 0 once a reason is gone",
    &[REASON],
);
/// What the agent cannot see at this time, beside devices.
pub const BLIND_SPOT: Metric = row(
    "netpath.observer.blind_spot",
    Kind::Gauge,
    "1",
    "What the agent cannot see at this time, beside devices; 0 once a reason is gone",
    &[REASON],
);
/// The loss ledger, one counter per name.
pub const OBSERVER: Metric = row(
    "netpath.observer.*",
    Kind::Counter,
    "{event}",
    "The rest of the loss ledger, one counter per name",
    &[REASON],
);
/// What the names of the ledger counters begin with.
pub const OBSERVER_PREFIX: &str = "netpath.observer.";

const WIRE: &[&str] = &[NETWORK_INTERFACE_NAME, XDP_MODE];

const PATH: &[&str] = &[SOURCE_NODE, DESTINATION_NODE, CLASS, TAILSCALE_MODE];

/// All metrics that the agent writes.
#[must_use]
pub const fn metric_table() -> &'static [Metric] {
    TABLE
}

/// The metric of a group of the ledger, such as `parse_rejected`.
#[must_use]
pub fn of_ledger(group: &str) -> &'static Metric {
    let mut states = TABLE.iter().filter(|row| row.kind == Kind::Gauge);
    let state = states.find(|row| row.name.strip_prefix(OBSERVER_PREFIX) == Some(group));
    state.unwrap_or(&OBSERVER)
}

const TABLE: &[Metric] = &[
    RTT,
    PACKETS,
    IO,
    FRAGMENTS,
    OVERSIZE,
    ANNOUNCED,
    FINDING_OPEN,
    PATH_MTU,
    INTERFACE_MTU,
    WIRE_PACKETS,
    WIRE_IO,
    WIRE_BUFFERS,
    WIRE_SEGMENTS,
    WIRE_DURATION,
    NOT_ATTACHED,
    BLIND_SPOT,
    OBSERVER,
];

const fn row(
    name: &'static str,
    kind: Kind,
    unit: &'static str,
    meaning: &'static str,
    labels: &'static [&'static str],
) -> Metric {
    Metric {
        name,
        kind,
        unit,
        meaning,
        labels,
    }
}
