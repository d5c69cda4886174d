//! Attribute names. Standard ones come from the semantic conventions 1.44; ours begin with `netpath.`.

use super::{Attribute, Place};

/// Name of this agent's service, `netpath-observer` unless set.
pub const SERVICE_NAME: &str = "service.name";
/// Host name of the node.
pub const HOST_NAME: &str = "host.name";
/// Node that the agent runs on.
pub const K8S_NODE_NAME: &str = "k8s.node.name";
/// Cluster, where given.
pub const K8S_CLUSTER_NAME: &str = "k8s.cluster.name";
/// Namespace of this node's pod, where known.
pub const K8S_NAMESPACE_NAME: &str = "k8s.namespace.name";
/// This node's pod, where known.
pub const K8S_POD_NAME: &str = "k8s.pod.name";
/// Node at the other end, else its VTEP, for service graphs that know the older name; on client spans.
pub const PEER_SERVICE: &str = "peer.service";
/// Node at the other end, else its VTEP; on client spans.
pub const SERVICE_PEER_NAME: &str = "service.peer.name";
/// `tcp`, `udp` or `icmp`.
pub const NETWORK_TRANSPORT: &str = "network.transport";
/// `dns` where a DNS query and its answer were timed.
pub const NETWORK_PROTOCOL_NAME: &str = "network.protocol.name";
/// `ipv4` or `ipv6`.
pub const NETWORK_TYPE: &str = "network.type";
/// Address of this node's pod.
pub const NETWORK_LOCAL_ADDRESS: &str = "network.local.address";
/// Port of this node's pod.
pub const NETWORK_LOCAL_PORT: &str = "network.local.port";
/// Address of the other end.
pub const NETWORK_PEER_ADDRESS: &str = "network.peer.address";
/// Port of the other end.
pub const NETWORK_PEER_PORT: &str = "network.peer.port";
/// Device that is left, or at which the round trip was timed; as a label only devices of the node, never pod ports.
pub const NETWORK_INTERFACE_NAME: &str = "network.interface.name";
/// Sender of the data.
pub const SOURCE_ADDRESS: &str = "source.address";
/// Its port.
pub const SOURCE_PORT: &str = "source.port";
/// Receiver of the data.
pub const DESTINATION_ADDRESS: &str = "destination.address";
/// Its port.
pub const DESTINATION_PORT: &str = "destination.port";
/// Node of the data's sender, where known.
pub const SOURCE_NODE: &str = "netpath.source.node";
/// Namespace and name of the data's sender, where known.
pub const SOURCE_POD: &str = "netpath.source.pod";
/// Node of the data's receiver, where known.
pub const DESTINATION_NODE: &str = "netpath.destination.node";
/// Namespace and name of the data's receiver, where known.
pub const DESTINATION_POD: &str = "netpath.destination.pod";
/// Observed path class, of the closed set.
pub const CLASS: &str = "netpath.class";
/// Encapsulation stack, outer layer first, such as `wireguard>vxlan`; `none` without any.
pub const ENCAP: &str = "netpath.encap";
/// Layers of that stack.
pub const ENCAP_DEPTH: &str = "netpath.encap.depth";
/// An end is a proxy of Tailscale in a pod, whose WireGuard is the stack's innermost layer.
pub const PROXY: &str = "netpath.proxy";
/// `lan`, `vmnet` or `wan`, where decided.
pub const UNDERLAY: &str = "netpath.underlay";
/// How Tailscale carries it: `direct`, `derp`, `peer_relay`, `unknown`; `none` if it does not.
pub const TAILSCALE_MODE: &str = "netpath.tailscale.mode";
/// Largest inner packet that passes uncut.
pub const MTU_EFFECTIVE: &str = "netpath.mtu.effective";
/// Device that sets it.
pub const MTU_BOTTLENECK: &str = "netpath.mtu.bottleneck";
/// Observation point: `pod`, `bridge`, `overlay`, `tunnel`, `flannel-wg` or `underlay`.
pub const POINT: &str = "netpath.point";
/// Part of the way inside a node, the same for both directions, pod first, such as `bridge>overlay`.
pub const SEGMENT: &str = "netpath.segment";
/// `data` or `reply`: which half of the round trip a segment belongs to, or was lost.
pub const DIRECTION: &str = "netpath.direction";
/// 1 where no other agent can add a side to the trace. Without it the trace has two sides if it has a
/// client and a server span.
pub const SIDES: &str = "netpath.sides";
/// `no_reply` on the root of a packet that was given up.
pub const OUTCOME: &str = "netpath.outcome";
/// Last observation point of this node that saw a lost packet, or its reply.
pub const LAST_SEEN: &str = "netpath.last_seen";
/// Cause id of the finding about this path.
pub const FINDING: &str = "netpath.finding";
/// Id of the change that fixes it.
pub const FIX: &str = "netpath.fix";
/// Confidence in the finding, 0 to 1.
pub const CONFIDENCE: &str = "netpath.confidence";
/// Layer that was cut: `inner`, `vxlan` or `wireguard`.
pub const FRAG_LAYER: &str = "netpath.frag.layer";
/// Packets of the path that were dropped for their size, where there are any of late.
pub const OVERSIZE_DROPS: &str = "netpath.oversize.drops";
/// What shows it: `kfree_skb`, `icmp_too_big`.
pub const OVERSIZE_PROOF: &str = "netpath.oversize.proof";
/// Where the kernel drops them.
pub const OVERSIZE_PLACE: &str = "netpath.oversize.place";
/// The device that is too narrow, or this node's end of a veth whose other end is.
pub const OVERSIZE_DEVICE: &str = "netpath.oversize.device";
/// MTU of the device that is too narrow, or the announced one.
pub const OVERSIZE_MTU: &str = "netpath.oversize.mtu";
/// Where an underlay's XDP program runs.
pub const XDP_MODE: &str = "netpath.xdp.mode";
/// Reason of a loss, of a closed set per counter.
pub const REASON: &str = "netpath.reason";

/// All attributes that the agent writes.
#[must_use]
pub const fn attribute_table() -> &'static [Attribute] {
    TABLE
}

const TABLE: &[Attribute] = &[
    row(
        SERVICE_NAME,
        "string",
        Place::Resource,
        "Name of this agent's service, `netpath-observer` unless set",
    ),
    row(
        HOST_NAME,
        "string",
        Place::Resource,
        "Host name of the node",
    ),
    row(
        K8S_NODE_NAME,
        "string",
        Place::Resource,
        "Node that the agent runs on",
    ),
    row(
        K8S_CLUSTER_NAME,
        "string",
        Place::Resource,
        "Cluster, where given",
    ),
    row(
        K8S_NAMESPACE_NAME,
        "string",
        Place::Span,
        "Namespace of this node's pod, where known",
    ),
    row(
        K8S_POD_NAME,
        "string",
        Place::Span,
        "This node's pod, where known",
    ),
    row(
        PEER_SERVICE,
        "string",
        Place::Span,
        "The same as `service.peer.name`, for service graphs that know the older name",
    ),
    row(
        SERVICE_PEER_NAME,
        "string",
        Place::Span,
        "Node at the other end, or its VTEP's address where the name is not known, or `external`; on client spans",
    ),
    row(
        NETWORK_TRANSPORT,
        "string",
        Place::Span,
        "`tcp`, `udp` or `icmp`",
    ),
    row(
        NETWORK_PROTOCOL_NAME,
        "string",
        Place::Span,
        "`dns` where a DNS query and its answer were timed: the time holds the server's own",
    ),
    row(NETWORK_TYPE, "string", Place::Span, "`ipv4` or `ipv6`"),
    row(
        NETWORK_LOCAL_ADDRESS,
        "string",
        Place::Span,
        "Address of this node's pod",
    ),
    row(
        NETWORK_LOCAL_PORT,
        "int",
        Place::Span,
        "Port of this node's pod",
    ),
    row(
        NETWORK_PEER_ADDRESS,
        "string",
        Place::Span,
        "Address of the other end",
    ),
    row(
        NETWORK_PEER_PORT,
        "int",
        Place::Span,
        "Port of the other end",
    ),
    row(
        NETWORK_INTERFACE_NAME,
        "string",
        Place::SpanAndMetric,
        "Device that is left, or at which the round trip was timed; as a label only devices of the node, never pod ports",
    ),
    row(SOURCE_ADDRESS, "string", Place::Span, "Sender of the data"),
    row(SOURCE_PORT, "int", Place::Span, "Its port"),
    row(
        DESTINATION_ADDRESS,
        "string",
        Place::Span,
        "Receiver of the data",
    ),
    row(DESTINATION_PORT, "int", Place::Span, "Its port"),
    row(
        SOURCE_NODE,
        "string",
        Place::SpanAndMetric,
        "Node of the data's sender, where known",
    ),
    row(
        SOURCE_POD,
        "string",
        Place::Span,
        "Namespace and name of the data's sender, where known",
    ),
    row(
        DESTINATION_NODE,
        "string",
        Place::SpanAndMetric,
        "Node of the data's receiver, where known",
    ),
    row(
        DESTINATION_POD,
        "string",
        Place::Span,
        "Namespace and name of the data's receiver, where known",
    ),
    row(
        CLASS,
        "string",
        Place::SpanAndMetric,
        "Observed path class, of the closed set",
    ),
    row(
        ENCAP,
        "string",
        Place::Span,
        "Encapsulation stack, outer layer first, such as `wireguard>vxlan`; `none` without any",
    ),
    row(ENCAP_DEPTH, "int", Place::Span, "Layers of that stack"),
    row(
        PROXY,
        "bool",
        Place::Span,
        "An end is a proxy of Tailscale in a pod, whose WireGuard is the innermost layer",
    ),
    row(
        UNDERLAY,
        "string",
        Place::Span,
        "`lan`, `vmnet` or `wan`, where decided",
    ),
    row(
        TAILSCALE_MODE,
        "string",
        Place::SpanAndMetric,
        "How Tailscale carries it: `direct`, `derp`, `peer_relay`, `unknown`; `none` if it does not",
    ),
    row(
        MTU_EFFECTIVE,
        "By",
        Place::Span,
        "Largest inner packet that passes uncut",
    ),
    row(MTU_BOTTLENECK, "string", Place::Span, "Device that sets it"),
    row(
        POINT,
        "string",
        Place::SpanAndMetric,
        "Observation point: `pod`, `bridge`, `overlay`, `tunnel`, `flannel-wg` or `underlay`",
    ),
    row(
        SEGMENT,
        "string",
        Place::Span,
        "Part of the way inside a node, the same for both directions, pod first, such as `bridge>overlay`",
    ),
    row(
        DIRECTION,
        "string",
        Place::Span,
        "`data` or `reply`: which half of the round trip a segment belongs to, or was lost",
    ),
    row(
        SIDES,
        "int",
        Place::Span,
        "1 where no other agent can add a side: both ends are here, one is outside the cluster, or no reply came; \
         any other trace has two sides if it has a client and a server span",
    ),
    row(
        OUTCOME,
        "string",
        Place::Span,
        "`no_reply` on the root of a packet that was given up after 3 s; its status is an error",
    ),
    row(
        LAST_SEEN,
        "string",
        Place::Span,
        "Observation point of this node that saw the lost packet, or its reply (`netpath.direction`), last",
    ),
    row(
        FINDING,
        "string",
        Place::SpanAndMetric,
        "Cause id of the finding about this path",
    ),
    row(
        FIX,
        "string",
        Place::SpanAndMetric,
        "Id of the change that fixes it",
    ),
    row(
        CONFIDENCE,
        "double",
        Place::Span,
        "Confidence in the finding, 0 to 1",
    ),
    row(
        FRAG_LAYER,
        "string",
        Place::Metric,
        "Layer that was cut: `inner`, `vxlan` or `wireguard`",
    ),
    row(
        OVERSIZE_DROPS,
        "int",
        Place::Span,
        "Packets of the path that this node dropped for their size, where there were any in the last six reports",
    ),
    row(
        OVERSIZE_PROOF,
        "string",
        Place::SpanAndMetric,
        "What shows that packets were too long: `kfree_skb`, the kernel was seen dropping them; `icmp_too_big`, their \
         sender was told",
    ),
    row(
        OVERSIZE_PLACE,
        "string",
        Place::SpanAndMetric,
        "Where: `ip_forward`, `ip6_forward` (the sender is told), `bridge_port`, `bridge_netfilter`, `veth_to_node`, \
         `veth_to_pod` (nobody is told), `other`",
    ),
    row(
        OVERSIZE_DEVICE,
        "string",
        Place::Span,
        "The device that was too narrow; of `veth_to_pod` this node's end of that veth",
    ),
    row(
        OVERSIZE_MTU,
        "By",
        Place::Span,
        "MTU of the device that was too narrow; of `icmp_too_big` the smallest that was announced in the last six reports",
    ),
    row(
        XDP_MODE,
        "string",
        Place::Metric,
        "Where the XDP program of an underlay runs: `native` or `generic`",
    ),
    row(
        REASON,
        "string",
        Place::Metric,
        "Reason of a loss, of a closed set per counter",
    ),
];

const fn row(
    name: &'static str,
    value: &'static str,
    place: Place,
    meaning: &'static str,
) -> Attribute {
    Attribute {
        name,
        value,
        place,
        meaning,
    }
}
