//! The two address families of a dual-stack lab, and what a node has of the second one.
//! Pure; deals nothing.

use std::net::Ipv6Addr;

use serde::Serialize;

use super::{VXLAN, VXLAN_OVERHEAD, VXLAN_SIX, VXLAN_SIX_OVERHEAD};

/// An address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Family {
    /// IPv4.
    #[serde(rename = "ipv4")]
    Four,
    /// IPv6.
    #[serde(rename = "ipv6")]
    Six,
}

/// What a node of a dual-stack lab has of IPv6 beside its devices' addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeSix {
    /// Network address of its /64 pod CIDR, which is also the address of flannel-v6.1.
    pub pod_network: Ipv6Addr,
    /// The address flannel would announce as public-ipv6: its own end of the VXLAN.
    pub vtep: Ipv6Addr,
    /// MAC address of flannel-v6.1.
    pub vtep_mac: String,
}

impl Family {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Four, Self::Six];

    /// The VXLAN device of flannel that carries pods of this family, with outer packets of it.
    #[must_use]
    pub const fn overlay(self) -> &'static str {
        match self {
            Self::Four => VXLAN,
            Self::Six => VXLAN_SIX,
        }
    }

    /// The network of all pods.
    #[must_use]
    pub const fn pods(self) -> &'static str {
        match self {
            Self::Four => "10.42.0.0/16",
            Self::Six => "2001:cafe:42::/56",
        }
    }

    /// L3 bytes around an inner packet there.
    #[must_use]
    pub const fn vxlan_overhead(self) -> u32 {
        match self {
            Self::Four => VXLAN_OVERHEAD,
            Self::Six => VXLAN_SIX_OVERHEAD,
        }
    }
}

impl NodeSix {
    /// The pod CIDR as text.
    #[must_use]
    pub fn pod_cidr(&self) -> String {
        format!("{}/64", self.pod_network)
    }

    /// Address `host` of the pod CIDR; 1 is cni0.
    #[must_use]
    pub fn pod_address(&self, host: u8) -> Ipv6Addr {
        Ipv6Addr::from_bits(self.pod_network.to_bits() | u128::from(host))
    }
}
