//! Counters of nftables at every device of a node, grouped by observation point: the second opinion
//! about what passed there.

use observer_ebpf::abi::point::Point;
use xtask::lab::Node;
use xtask::lab::topology::{BRIDGE, TUNNEL, VXLAN};
use xtask::oracle::{Count, Counter, Hook};

/// Neighbour discovery and multicast listeners (RFC 4861, 2710, 3810, 3376): the link's own, like ARP.
const LINKS_OWN: [&str; 2] = ["icmpv6 type { 130-137, 143 }", "ip protocol igmp"];
/// Bytes of an Ethernet header, which counters at the egress hook include.
const ETHERNET: u64 = 14;

/// Counters of one hook of one device.
struct Place {
    point: Point,
    /// Bytes before the IP header that the hook counts.
    link: u64,
    ip: Counter,
    links_own: [Counter; 2],
    all: Counter,
}

/// All counters of a node.
pub(crate) struct Counters(Vec<Place>);

/// What they say per point; the underlays together, at the first underlay's place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Passed {
    /// IP packets but the link's own, as the hooks see them: an aggregate is one.
    pub(crate) ip: [Count; 8],
    /// Frames of any kind, everywhere.
    pub(crate) frames: u64,
}

impl Counters {
    /// Installs them at every device that plays a role.
    pub(crate) fn install(node: &Node) -> Self {
        let ports = node
            .pods
            .iter()
            .map(|pod| (Point::Port, pod.host_veth.as_str()));
        let wires = node
            .devices
            .iter()
            .map(|own| (Point::Underlay0, own.name.as_str()));
        let own = [
            (Point::Bridge, BRIDGE),
            (Point::Overlay, VXLAN),
            (Point::Tunnel, TUNNEL),
        ];
        let install = |(point, device): (Point, &str), hook| {
            let count = |what: &str| Counter::install(&node.netns, device, hook, what);
            let has_link = point != Point::Tunnel && hook == Hook::Egress;
            Place {
                point,
                link: if has_link { ETHERNET } else { 0 },
                ip: count("meta protocol { ip, ip6 }").expect("counter"),
                links_own: LINKS_OWN.map(|what| count(what).expect("counter")),
                all: count("").expect("counter"),
            }
        };
        let devices = ports.chain(own).chain(wires);
        let places =
            devices.flat_map(|device| [Hook::Ingress, Hook::Egress].map(|h| install(device, h)));
        Self(places.collect())
    }

    /// Reads all of them; bytes from the IP header on.
    pub(crate) fn read(&self) -> Passed {
        let mut passed = Passed::default();
        for place in &self.0 {
            let read = |one: &Counter| one.read().expect("count");
            let (ip, own) = (read(&place.ip), place.links_own.each_ref().map(read));
            let packets = ip.packets - own.iter().map(|own| own.packets).sum::<u64>();
            let sum = &mut passed.ip[place.point as usize];
            sum.packets += packets;
            sum.bytes +=
                ip.bytes - own.iter().map(|own| own.bytes).sum::<u64>() - place.link * packets;
            passed.frames += place.all.read().expect("count").packets;
        }
        passed
    }
}
