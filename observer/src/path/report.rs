//! What one sweep says of one ordered pair: plain values that every output shows.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use observer_ebpf::abi::point::Point;

use super::{Class, Encapsulation, Layer, Oversize, RelayMode, UnderlayKind};

/// One end of a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct End {
    /// Node name, where known.
    pub node: Option<String>,
    /// Address as the pod uses it; `None` for the collected ends of external and host traffic.
    pub address: Option<IpAddr>,
    /// Namespace and name, where known.
    pub pod: Option<String>,
    /// Services that it was reached by, as far as that was seen.
    pub services: Vec<SocketAddr>,
}

/// Quantiles of round-trip times from a kernel histogram, for data sent by the path's source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantiles {
    /// Samples.
    pub count: u64,
    /// Median, nanoseconds.
    pub p50: u64,
    /// 99th percentile, nanoseconds.
    pub p99: u64,
}

/// What one observation point counted of a path, source to destination.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PointReport {
    /// Packets on the wire.
    pub packets: u64,
    /// L3 bytes of the innermost packets.
    pub bytes: u64,
    /// Round-trip times of data sent by the source.
    pub rtt: Option<Quantiles>,
    /// New samples since the last report: (lower edge in nanoseconds, upper edge, count), ascending.
    pub rtt_samples: Vec<(u64, Option<u64>, u32)>,
}

/// Fragments by the layer that was cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fragments {
    /// Fragments of inner packets.
    pub inner: u64,
    /// Fragments of VXLAN packets.
    pub vxlan: u64,
    /// Fragments of WireGuard packets, where they can be told to belong to the path.
    pub wireguard: Option<u64>,
}

/// What the TCP connections in the flow table say of the data from source to destination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpReport {
    /// Smallest MSS that a SYN of the source announced: the most that it takes per segment, bytes.
    pub mss: Option<u16>,
    /// Connections whose destination acknowledged blocks behind a gap (RFC 2018): data was lost, or
    /// overtaken.
    pub with_gaps: u64,
}

impl TcpReport {
    /// What two nodes saw of the same connections.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            mss: self.mss.into_iter().chain(other.mss).min(),
            with_gaps: self.with_gaps.max(other.with_gaps),
        }
    }
}

/// What says how Tailscale carries a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelayBy {
    /// Its packets.
    Packets,
    /// The node's tailscaled, where they left it open.
    Tailscaled,
}

/// One ordered pair and class. Counts are since the agent's start.
#[derive(Clone, Debug, PartialEq)]
pub struct PathReport {
    /// Where data comes from.
    pub source: End,
    /// Where it goes.
    pub destination: End,
    /// Observed class; `None` while nothing was seen.
    pub class: Option<Class>,
    /// Observed stack.
    pub encapsulation: Encapsulation,
    /// Kind of underlay, where decided.
    pub underlay: Option<UnderlayKind>,
    /// How Tailscale carries it.
    pub relay: RelayMode,
    /// What says so.
    pub relay_by: RelayBy,
    /// Region of the relay that carries it, where known.
    pub derp_region: Option<String>,
    /// Machine or address of the peer relay that carries it, where known.
    pub peer_relay: Option<String>,
    /// Packets at the pod point of this node, else at the first point seen.
    pub packets: u64,
    /// L3 bytes there.
    pub bytes: u64,
    /// Fragments by layer.
    pub fragments: Fragments,
    /// What its TCP connections say.
    pub tcp: TcpReport,
    /// What shows that packets are too long; `None` while nothing looks for it.
    pub oversize: Option<Oversize>,
    /// By observation point; only points that saw the path.
    pub points: BTreeMap<Point, PointReport>,
    /// Smallest MTU among the devices it passed and that device's name.
    pub mtu: Option<(u32, String)>,
    /// The peer node's VTEP as the outer packets show it, where there are any.
    pub peer: Option<IpAddr>,
    /// Sweeps since a packet passed: 0 = it is busy.
    pub idle: u16,
    /// True if this node's pod is the source.
    pub source_is_local: bool,
    /// True if the pair's packets have shown another class since.
    pub superseded: bool,
    /// True if an end is a proxy of Tailscale in a pod; `None` for the collected traffic of strangers.
    pub proxy: Option<bool>,
    /// True if two flows or two epochs say all of it. A finding needs that.
    pub confirmed: bool,
    /// Reports of the pair before this one; 255 stands for more as well.
    pub earlier: u8,
}

impl PathReport {
    /// Name of its class, with the mode in which Tailscale carries it.
    #[must_use]
    pub fn class_name(&self) -> Option<&'static str> {
        self.class.map(|class| class.name_in(self.relay))
    }

    /// True if the next report will say no more of the way: class and, behind VXLAN, peer are known, or
    /// this is not the first one, during which the packets may have come.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        let has_class = self.class.is_some_and(|class| class != Class::Unknown);
        let has_peer = self.peer.is_some() || !self.encapsulation.0.contains(&Layer::Vxlan);
        has_class && has_peer || self.earlier > 0
    }

    /// Median round trip behind the tunnel, nanoseconds.
    #[must_use]
    pub fn tunnel_round_trip(&self) -> Option<u64> {
        Some(self.points.get(&Point::Tunnel)?.rtt?.p50)
    }
}
