//! One parser for host and kernel: from a frame to its innermost visible flow. Three outcomes are
//! kept apart: a value, not ours, malformed with a reason.
//!
//! Never: a decision about what to count, a read behind the end, a loop without a constant bound.

mod bytes;
mod cut;
mod dns;
mod ethernet;
mod extensions;
mod frame;
mod icmp;
mod ip;
mod merged;
mod nesting;
mod packet;
mod tcp;
mod transport;
mod tunnel;

pub use bytes::{Bytes, Captured, CapturedHead, Window};
pub use cut::left;
pub use dns::{is_dns, message};
pub use frame::{Expand, Framing, finish, parse, parse_into};
pub use icmp::{IcmpError, IcmpErrorKind, Quote};
pub use merged::{GLANCE, Glance, glance};
pub use nesting::{Behind, HOST_DEPTH, KERNEL_DEPTH, Nest, descend};
pub use packet::{
    Fragment, Opaque, Outer, Packet, Rejected, TCP_ACK, TCP_FIN, TCP_RST, TCP_SYN, Timing,
    TimingKind,
};
pub use tcp::options;
pub(crate) use transport::UDP;
pub use tunnel::VXLAN_PORT;
pub(crate) use tunnel::is_vxlan_port;

/// Why a frame is none of ours. Part of the ABI: the number is a counter's offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum NotOurs {
    /// An Ethernet type other than IPv4 and IPv6: ARP, LLDP, a third VLAN tag.
    EtherType = 0,
    /// A tunnel device's packet whose version nibble is neither 4 nor 6.
    Version = 1,
    /// Neighbour discovery (RFC 4861): what ARP is to IPv4.
    NeighbourDiscovery = 2,
    /// Who listens to which group on a link: IGMP (RFC 1112, RFC 2236, RFC 3376) and its IPv6 twin
    /// (RFC 2710, RFC 3810).
    MulticastListener = 3,
}

impl NotOurs {
    /// Number of reasons.
    pub const COUNT: u32 = 4;
    /// All reasons in order, with the names the ledger shows.
    pub const ALL: [(Self, &'static str); Self::COUNT as usize] = [
        (Self::EtherType, "ether_type"),
        (Self::Version, "version"),
        (Self::NeighbourDiscovery, "neighbour_discovery"),
        (Self::MulticastListener, "multicast_listener"),
    ];
}

/// Why a frame is malformed. Part of the ABI: the number is a counter's offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Malformed {
    /// Fewer than 14 bytes of Ethernet.
    EthernetShort = 0,
    /// Fewer than 2 bytes on a device without link layer.
    Empty = 1,
    /// Fewer bytes than an IPv4 header.
    Ipv4Short = 2,
    /// A version other than 4 behind the type for IPv4.
    Ipv4Version = 3,
    /// An IPv4 header length below 20 or beyond the packet.
    Ipv4HeaderLength = 4,
    /// An IPv4 total length below the header's or beyond the frame.
    Ipv4TotalLength = 5,
    /// Fewer bytes than an IPv6 header.
    Ipv6Short = 6,
    /// A version other than 6 behind the type for IPv6.
    Ipv6Version = 7,
    /// An IPv6 payload length beyond the frame.
    Ipv6PayloadLength = 8,
    /// Fewer bytes than an IPv6 fragment header.
    Ipv6FragmentShort = 9,
    /// Fewer bytes than a TCP header.
    TcpShort = 10,
    /// A TCP data offset below 20 or beyond the packet.
    TcpDataOffset = 11,
    /// A TCP option that reaches beyond the header or has a length below 2.
    TcpOption = 12,
    /// Fewer bytes than a UDP header.
    UdpShort = 13,
    /// A UDP length below 8 or beyond the packet.
    UdpLength = 14,
    /// Fewer bytes than an ICMP header, or of what an error quotes than it has.
    IcmpShort = 15,
    /// Fewer bytes than a VXLAN header on its port.
    VxlanShort = 16,
    /// Fewer bytes than an inner Ethernet header.
    InnerEthernetShort = 17,
    /// Fewer bytes than an IPv6 extension header says that it has.
    Ipv6ExtensionShort = 18,
    /// Fewer bytes than a VLAN tag.
    VlanShort = 19,
}

impl Malformed {
    /// Number of reasons.
    pub const COUNT: u32 = 20;
    /// All reasons in order, with the names the ledger shows.
    pub const ALL: [(Self, &'static str); Self::COUNT as usize] = [
        (Self::EthernetShort, "ethernet_short"),
        (Self::Empty, "empty"),
        (Self::Ipv4Short, "ipv4_short"),
        (Self::Ipv4Version, "ipv4_version"),
        (Self::Ipv4HeaderLength, "ipv4_header_length"),
        (Self::Ipv4TotalLength, "ipv4_total_length"),
        (Self::Ipv6Short, "ipv6_short"),
        (Self::Ipv6Version, "ipv6_version"),
        (Self::Ipv6PayloadLength, "ipv6_payload_length"),
        (Self::Ipv6FragmentShort, "ipv6_fragment_short"),
        (Self::TcpShort, "tcp_short"),
        (Self::TcpDataOffset, "tcp_data_offset"),
        (Self::TcpOption, "tcp_option"),
        (Self::UdpShort, "udp_short"),
        (Self::UdpLength, "udp_length"),
        (Self::IcmpShort, "icmp_short"),
        (Self::VxlanShort, "vxlan_short"),
        (Self::InnerEthernetShort, "inner_ethernet_short"),
        (Self::Ipv6ExtensionShort, "ipv6_extension_short"),
        (Self::VlanShort, "vlan_short"),
    ];
}
