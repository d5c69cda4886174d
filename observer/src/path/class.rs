//! The closed set of path classes and what they are made of: encapsulation stack x underlay x relay
//! mode. The names are a stable interface.

use std::fmt;

/// What carries a flow across the underlay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Layer {
    /// Flannel's VXLAN.
    Vxlan,
    /// WireGuard, tailscaled's or flannel's.
    WireGuard,
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vxlan => "vxlan",
            Self::WireGuard => "wireguard",
        })
    }
}

/// An encapsulation stack, outer layer first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Encapsulation(pub Vec<Layer>);

impl Encapsulation {
    /// Number of layers.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.0.len()
    }
}

impl fmt::Display for Encapsulation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        for (index, layer) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { ">" };
            write!(f, "{separator}{layer}")?;
        }
        Ok(())
    }
}

/// The kind of network under the outermost packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum UnderlayKind {
    /// The next hop is the peer itself.
    Lan,
    /// A virtual network of one host's virtual machines.
    Vmnet,
    /// Behind a router.
    Wan,
}

impl fmt::Display for UnderlayKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lan => "lan",
            Self::Vmnet => "vmnet",
            Self::Wan => "wan",
        })
    }
}

/// How Tailscale carries a peer's packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RelayMode {
    /// The path does not use Tailscale.
    None,
    /// It does; how is not known.
    Unknown,
    /// WireGuard between the two nodes.
    Direct,
    /// The same, to an address that the peer has in the pods' network: inside the overlay's VXLAN.
    Overlay,
    /// Through a DERP server, inside TCP.
    Derp,
    /// WireGuard through another node of the tailnet.
    PeerRelay,
}

impl fmt::Display for RelayMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Unknown => "unknown",
            Self::Direct | Self::Overlay => "direct",
            Self::Derp => "derp",
            Self::PeerRelay => "peer_relay",
        })
    }
}

/// A path class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// Both pods on this node.
    SameNode,
    /// One end outside the cluster's networks, or a pod that is looked for there: the kernel finds it by a
    /// default route alone.
    External,
    /// The node's own traffic.
    Host,
    /// Plain pod packets on the underlay.
    LanDirect,
    /// VXLAN on an underlay of this kind.
    Vxlan(UnderlayKind),
    /// VXLAN inside WireGuard of tailscaled.
    VxlanTailscale,
    /// Pod packets in tailscale0.
    TailscaleSubnet,
    /// Flannel's wireguard-native backend.
    FlannelWg,
    /// Packets were seen, but not where the road is decided.
    Unknown,
}

impl Class {
    /// The name in telemetry and documents for a path that Tailscale carries in this mode.
    #[must_use]
    pub const fn name_in(self, mode: RelayMode) -> &'static str {
        match (self, mode) {
            (Self::VxlanTailscale, RelayMode::Direct | RelayMode::Overlay) => {
                "vxlan-tailscale-direct"
            }
            (Self::VxlanTailscale, RelayMode::Derp) => "vxlan-tailscale-derp",
            (Self::VxlanTailscale, RelayMode::PeerRelay) => "vxlan-tailscale-peer-relay",
            (Self::TailscaleSubnet, RelayMode::Direct) => "tailscale-subnet-direct",
            (Self::TailscaleSubnet, RelayMode::Overlay) => "tailscale-over-overlay",
            (Self::TailscaleSubnet, RelayMode::Derp) => "tailscale-subnet-derp",
            (Self::TailscaleSubnet, RelayMode::PeerRelay) => "tailscale-subnet-peer-relay",
            (class, _) => class.name(),
        }
    }

    /// True if tailscaled carries it.
    #[must_use]
    pub const fn is_tailscale(self) -> bool {
        matches!(self, Self::VxlanTailscale | Self::TailscaleSubnet)
    }

    /// The name without mode.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SameNode => "same-node",
            Self::External => "external",
            Self::Host => "host",
            Self::LanDirect => "lan-direct",
            Self::Vxlan(UnderlayKind::Lan) => "vxlan-lan",
            Self::Vxlan(UnderlayKind::Vmnet) => "vxlan-vmnet",
            Self::Vxlan(UnderlayKind::Wan) => "vxlan-wan",
            Self::VxlanTailscale => "vxlan-tailscale",
            Self::TailscaleSubnet => "tailscale-subnet",
            Self::FlannelWg => "flannel-wg",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
