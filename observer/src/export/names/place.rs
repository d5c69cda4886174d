//! Words for what shows that packets are too long, and for places in the kernel that drop them.

use observer_ebpf::abi::drop::Place;

/// The value of `netpath.oversize.proof` of packets that were seen being dropped.
pub(in crate::export) const DROPPED: &str = "kfree_skb";

/// The same of ICMP errors about their length.
pub(in crate::export) const ANNOUNCED: &str = "icmp_too_big";

/// The value of `netpath.oversize.place`.
pub(in crate::export) const fn place_name(place: Place) -> &'static str {
    match place {
        Place::IpForward => "ip_forward",
        Place::Ip6Forward => "ip6_forward",
        Place::BridgePort => "bridge_port",
        Place::BridgeNetfilter => "bridge_netfilter",
        Place::VethToNode => "veth_to_node",
        Place::VethToPod => "veth_to_pod",
        Place::Other => "other",
    }
}
