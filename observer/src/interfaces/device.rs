//! A network device as the kernel describes it. Holds no role: that is `assign`'s answer.

use std::fmt;
use std::net::IpAddr;

use super::prefix::Prefix;

/// Number of a device within its network namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IfIndex(pub u32);

impl fmt::Display for IfIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A network device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its number.
    pub ifindex: IfIndex,
    /// Tells a device from an earlier one with the same number: the follower raises it whenever a
    /// device appears.
    pub incarnation: u64,
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Largest layer 3 packet, bytes.
    pub mtu: u32,
    /// The bridge, bond or VRF it belongs to.
    pub master: Option<IfIndex>,
    /// Operational state up, or unknown as TUN devices always say.
    pub up: bool,
    /// Its frames begin with an Ethernet header.
    pub link_layer: bool,
    /// Its addresses with the prefixes they lie in.
    pub addresses: Vec<Prefix>,
}

impl Device {
    /// Its addresses that somebody gave it, link-local ones left out.
    pub fn given_addresses(&self) -> impl Iterator<Item = IpAddr> + '_ {
        let given = self.addresses.iter().filter(|own| !own.is_link_local());
        given.map(|own| own.address())
    }

    /// True if it holds an address that somebody gave it.
    #[must_use]
    pub fn has_address(&self) -> bool {
        self.given_addresses().next().is_some()
    }

    /// Its VXLAN settings, if it is a VXLAN device.
    #[must_use]
    pub fn vxlan(&self) -> Option<Vxlan> {
        if let Kind::Vxlan(vxlan) = self.kind {
            Some(vxlan)
        } else {
            None
        }
    }
}

/// What a device is, by its link kind (`IFLA_INFO_KIND`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One end of a virtual Ethernet pair.
    Veth,
    /// A bridge.
    Bridge,
    /// A VXLAN device.
    Vxlan(Vxlan),
    /// A TUN or TAP device.
    Tun,
    /// The kernel's WireGuard.
    WireGuard,
    /// The loopback device.
    Loopback,
    /// No link kind: a network card, real or of a virtual machine.
    Physical,
    /// Any other link kind, by its name.
    Other(String),
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Veth => "veth",
            Self::Bridge => "bridge",
            Self::Vxlan(_) => "vxlan",
            Self::Tun => "tun",
            Self::WireGuard => "wireguard",
            Self::Loopback => "loopback",
            Self::Physical => "physical",
            Self::Other(name) => name,
        })
    }
}

/// Settings of a VXLAN device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vxlan {
    /// VXLAN network identifier.
    pub id: u32,
    /// UDP destination port.
    pub port: u16,
    /// Source address of the outer packet; the route look-up chooses when there is none.
    pub local: Option<IpAddr>,
    /// The device it was created on. It dies with it; it does not decide where packets leave.
    pub lower: Option<IfIndex>,
}
