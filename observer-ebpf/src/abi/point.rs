//! Observation points (RFC 7011), hooks and flow directions as small numbers. Knows no device
//! names: the agent decides which device plays which role.

/// Number of observation points.
pub const POINTS: usize = 8;

/// An observation point: the role of a device. Its number is part of the ABI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Point {
    /// A port of the pod bridge: one veth per pod.
    Port = 0,
    /// The pod bridge, cni0.
    Bridge = 1,
    /// The VXLAN device, flannel.1.
    Overlay = 2,
    /// The Tailscale TUN device, tailscale0.
    Tunnel = 3,
    /// The WireGuard device of flannel's wireguard-native backend.
    FlannelWg = 4,
    /// First underlay device.
    Underlay0 = 5,
    /// Second underlay device.
    Underlay1 = 6,
    /// Third underlay device.
    Underlay2 = 7,
}

impl Point {
    /// All points in the order of their numbers.
    pub const ALL: [Self; POINTS] = [
        Self::Port,
        Self::Bridge,
        Self::Overlay,
        Self::Tunnel,
        Self::FlannelWg,
        Self::Underlay0,
        Self::Underlay1,
        Self::Underlay2,
    ];

    /// The point with this number.
    #[must_use]
    pub fn from_index(index: u8) -> Option<Self> {
        Self::ALL.get(usize::from(index)).copied()
    }

    /// Its number.
    #[inline(always)]
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// True for a physical or virtual NIC that carries outer packets.
    #[inline(always)]
    #[must_use]
    pub const fn is_underlay(self) -> bool {
        matches!(self, Self::Underlay0 | Self::Underlay1 | Self::Underlay2)
    }

    /// True where packets of others than pods are usual: tunnels and underlays.
    #[inline(always)]
    #[must_use]
    pub const fn carries_host_traffic(self) -> bool {
        self.is_underlay() || matches!(self, Self::Tunnel | Self::FlannelWg)
    }
}

/// The hook of a device, relative to the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Hook {
    /// Towards the host.
    Ingress = 0,
    /// Away from the host.
    Egress = 1,
}

impl Hook {
    /// Both hooks in the order of their numbers.
    pub const ALL: [Self; 2] = [Self::Ingress, Self::Egress];

    /// The hook with this number.
    #[must_use]
    pub fn from_index(index: u8) -> Option<Self> {
        Self::ALL.get(usize::from(index)).copied()
    }
}

/// Direction of a packet within its biflow (RFC 5103), by the order of the two ends in the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum FlowDirection {
    /// From the lower to the higher end.
    LowToHigh = 0,
    /// From the higher to the lower end.
    HighToLow = 1,
}

impl FlowDirection {
    /// Both directions in the order of their numbers.
    pub const ALL: [Self; 2] = [Self::LowToHigh, Self::HighToLow];

    /// The direction with this number.
    #[must_use]
    pub fn from_index(index: u8) -> Option<Self> {
        Self::ALL.get(usize::from(index)).copied()
    }

    /// The direction with the number in the lowest bit.
    #[inline(always)]
    pub(crate) const fn of_bit(bit: u64) -> Self {
        if bit & 1 == 0 {
            Self::LowToHigh
        } else {
            Self::HighToLow
        }
    }

    /// The other direction.
    #[inline(always)]
    #[must_use]
    pub const fn reverse(self) -> Self {
        match self {
            Self::LowToHigh => Self::HighToLow,
            Self::HighToLow => Self::LowToHigh,
        }
    }

    /// Picks this direction's half.
    #[inline(always)]
    pub const fn of<T>(self, both: &[T; 2]) -> &T {
        match self {
            Self::LowToHigh => &both[0],
            Self::HighToLow => &both[1],
        }
    }
}

/// One hook of one observation point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site {
    /// The observation point.
    pub point: Point,
    /// The hook there.
    pub hook: Hook,
}
