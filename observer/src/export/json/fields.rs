//! The fields of the objects of paths and wires, for the reference page: name, value, meaning. Below a dot stands a
//! field of an object; `<point>` is an observation point.

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Name with those of the objects around it.
    pub name: &'static str,
    /// Type and, where it has one, unit.
    pub value: &'static str,
    /// One sentence without its final dot.
    pub meaning: &'static str,
}

/// All fields of a path, in the order in which they are written.
#[must_use]
pub const fn path_fields() -> &'static [Field] {
    TABLE
}

/// All fields of an underlay that is observed before the stack.
#[must_use]
pub const fn wire_fields() -> &'static [Field] {
    WIRE
}

const fn row(name: &'static str, value: &'static str, meaning: &'static str) -> Field {
    Field {
        name,
        value,
        meaning,
    }
}

const TABLE: &[Field] = &[
    row("type", "string", "`path`"),
    row(
        "source.node",
        "string",
        "Node of the data's sender, where known",
    ),
    row(
        "source.address",
        "string",
        "Address as the pod itself uses it; null for collected traffic",
    ),
    row("source.pod", "string", "Namespace and name, where known"),
    row(
        "source.services",
        "list",
        "Services (address:port) that the pod was reached by on this path",
    ),
    row("destination.node", "string", "As of the source"),
    row("destination.address", "string", "As of the source"),
    row("destination.pod", "string", "As of the source"),
    row("destination.services", "list", "As of the source"),
    row(
        "class",
        "string",
        "Observed class; null while nothing was seen",
    ),
    row(
        "present",
        "bool",
        "False for a class that the pair's packets have left: its counts stand still",
    ),
    row("encap", "string", "Encapsulation stack, outer layer first"),
    row("depth", "int", "Layers of the stack"),
    row(
        "proxy",
        "bool",
        "An end is a proxy of Tailscale in a pod; null for collected traffic",
    ),
    row("tailscale_mode", "string", "How Tailscale carries it"),
    row(
        "tailscale_mode_by",
        "string",
        "What says that: `packets`, or `tailscaled` where a capture without packet marks left it open; null: nothing",
    ),
    row(
        "derp_region",
        "string",
        "Region of the relay that carries it; null: none, or not known",
    ),
    row(
        "peer_relay",
        "string",
        "Machine of the peer relay that carries it, else its address; null: none, or not known",
    ),
    row(
        "intended",
        "string",
        "Class by the control plane; null: not looked at",
    ),
    row(
        "configured",
        "string",
        "Class by the kernel's routing; null: not looked at",
    ),
    row("observed", "string", "The class"),
    row(
        "mtu.effective",
        "By",
        "Largest inner packet that no device of the path has to cut",
    ),
    row("mtu.bottleneck", "string", "The device that sets it"),
    row(
        "packets",
        "{packet}",
        "Packets on the wire, source to destination, at the pod point of this node, else at the first point seen",
    ),
    row(
        "bytes",
        "By",
        "L3 bytes of the innermost packets there, with the headers of every segment",
    ),
    row(
        "points.<point>.packets",
        "{packet}",
        "The same at each point that saw any: `pod`, `bridge`, `overlay`, `tunnel`, `flannel-wg`, `underlay`; exact, whatever was evicted",
    ),
    row("points.<point>.bytes", "By", "L3 bytes there"),
    row(
        "fragments.inner",
        "{fragment}",
        "Fragments of inner packets",
    ),
    row(
        "fragments.vxlan",
        "{fragment}",
        "VXLAN packets that were cut",
    ),
    row(
        "fragments.wireguard",
        "{fragment}",
        "WireGuard packets that were cut; null where they cannot be told to be the path's",
    ),
    row(
        "tcp.mss",
        "By",
        "Smallest MSS that a SYN of the source announced: the most that it takes per segment; null where none was seen",
    ),
    row(
        "tcp.with_gaps",
        "{connection}",
        "Connections in the flow table whose destination acknowledged blocks behind a gap: data of the source was lost or overtaken",
    ),
    row(
        "oversize.drops",
        "{packet}",
        "Packets that this node dropped for their size; `oversize` is null where that is not looked at",
    ),
    row(
        "oversize.proofs",
        "list",
        "By place and device: `proof` (`kfree_skb`), `place`, the kernel's `reason`, `device`, its `mtu`, `packets`, \
         `bytes`, `largest` packet. By sender and number: `proof` (`icmp_too_big`, an error on its way to a pod \
         of this node; no further drop), `announced` as it stood there, `mtu` (null if that can be none), \
         `packets`, `from`",
    ),
    row(
        "rtt_ms.<point>.count",
        "{sample}",
        "Round trips of data sent by the source, by point: `pod`, `bridge`, `overlay`, `tunnel`, `underlay`. TCP, \
         echo and DNS; an answer of DNS holds the server's own time",
    ),
    row("rtt_ms.<point>.p50", "ms", "Their median"),
    row("rtt_ms.<point>.p99", "ms", "Their 99th percentile"),
];

const WIRE: &[Field] = &[
    row("type", "string", "`wire`"),
    row("device", "string", "Underlay device"),
    row(
        "mode",
        "string",
        "Where its XDP program runs: `native` (driver) or `generic` (stack, without GRO)",
    ),
    row("packets", "{packet}", "Frames that XDP saw"),
    row("bytes", "By", "Their bytes, link header included"),
    row(
        "buffers",
        "{buffer}",
        "Socket buffers at TC ingress: what GRO made of the frames",
    ),
    row(
        "segments",
        "{packet}",
        "Frames that these were made of, by the sizes of their segments: `packets` if none was lost on the way",
    ),
    row("segment_bytes", "By", "Bytes of those frames"),
    row(
        "noted",
        "{packet}",
        "Selected packets whose arrival was noted",
    ),
    row(
        "unmet",
        "{packet}",
        "Of those the ones that never came to TC ingress, or after more than 1 s",
    ),
    row(
        "delay_ms.count",
        "{packet}",
        "Selected packets that were timed from XDP to TC ingress",
    ),
    row("delay_ms.mean", "ms", "Their mean"),
    row(
        "delay_ms.p50",
        "ms",
        "Their median at most, by powers of two; null from 268 ms on",
    ),
    row("delay_ms.p99", "ms", "The 99th percentile likewise"),
];
