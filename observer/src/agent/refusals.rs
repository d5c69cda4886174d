//! What the kernel programs refused, in words for people, at log level debug.

use std::net::SocketAddr;

use observer_ebpf::abi::counter::{Counter, Loss};
use observer_ebpf::abi::event::Event;
use observer_ebpf::abi::key::FlowKey;
use observer_ebpf::abi::point::{Hook, Point};
use observer_ebpf::parse::Malformed;

use crate::interfaces::{IfIndex, Snapshot as Devices};

/// Shows one refusal. `at` names the device of a point, for a refusal that names none itself.
pub(super) fn tell(event: &Event, devices: &Devices, at: impl Fn(Point) -> Option<String>) {
    let hook = if event.hook == Hook::Egress as u8 {
        "leaving"
    } else {
        "entering"
    };
    let point = Point::ALL
        .into_iter()
        .find(|point| *point as u8 == event.point);
    let own = devices.device(IfIndex(event.sequence));
    let device = own
        .map(|device| device.name.clone())
        .or_else(|| at(point?))
        .unwrap_or_else(|| "a pod's port".to_owned());
    let (what, why) = words(event.probe);
    let length = event.length;
    if event.key == FlowKey::default() {
        tracing::debug!(device, hook, length, why, "{what}");
    } else {
        let flow = flow(&event.key);
        tracing::debug!(device, hook, length, flow, why, "{what}");
    }
}

/// What was refused and why, by the cell that counted it.
fn words(cell: u32) -> (&'static str, &'static str) {
    let is_loss = |loss: Loss| Counter::Loss(loss).index() == cell;
    let is_lie = |(reason, _): &(Malformed, _)| Counter::Malformed(*reason).index() == cell;
    if is_loss(Loss::InsertBudget) {
        let why = "too many new flows at once: counted without a flow";
        ("flow refused", why)
    } else if is_loss(Loss::InsertRefused) {
        (
            "flow refused",
            "the flow table took no more: counted without a flow",
        )
    } else if is_loss(Loss::HeadersUnreadable) {
        ("frame refused", "its headers could not be read")
    } else if let Some((reason, _)) = Malformed::ALL.iter().find(|entry| is_lie(entry)) {
        ("frame refused", lie(*reason))
    } else {
        ("refused", "for a reason that this agent does not know")
    }
}

const fn lie(reason: Malformed) -> &'static str {
    match reason {
        Malformed::EthernetShort => "shorter than an Ethernet header",
        Malformed::Empty => "empty",
        Malformed::Ipv4Short => "shorter than an IPv4 header",
        Malformed::Ipv4Version => "said to be IPv4, and its version is another",
        Malformed::Ipv4HeaderLength => "IPv4 header length below 20 or beyond the packet",
        Malformed::Ipv4TotalLength => "IPv4 total length below its header's or beyond the frame",
        Malformed::Ipv6Short => "shorter than an IPv6 header",
        Malformed::Ipv6Version => "said to be IPv6, and its version is another",
        Malformed::Ipv6PayloadLength => "IPv6 payload length beyond the frame",
        Malformed::Ipv6FragmentShort => "shorter than an IPv6 fragment header",
        Malformed::TcpShort => "shorter than a TCP header",
        Malformed::TcpDataOffset => "TCP data offset below 20 or beyond the packet",
        Malformed::TcpOption => "a TCP option beyond the header or shorter than 2",
        Malformed::UdpShort => "shorter than a UDP header",
        Malformed::UdpLength => "UDP length below 8 or beyond the packet",
        Malformed::IcmpShort => "shorter than an ICMP echo header",
        Malformed::VxlanShort => "shorter than a VXLAN header, on its port",
        Malformed::InnerEthernetShort => "shorter than the inner Ethernet header",
        Malformed::Ipv6ExtensionShort => "shorter than an IPv6 extension header",
        Malformed::VlanShort => "shorter than a VLAN tag",
    }
}

/// Both ends of a flow and its protocol.
fn flow(key: &FlowKey) -> String {
    let [low, high] = [(key.low, key.low_port), (key.high, key.high_port)]
        .map(|(address, port)| SocketAddr::new(address.into(), u16::from_be_bytes(port)));
    let protocol = key.protocol;
    format!("{low} and {high}, protocol {protocol}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_lie_and_every_refused_flow_has_words_of_its_own() {
        let losses = [
            Loss::InsertBudget,
            Loss::InsertRefused,
            Loss::HeadersUnreadable,
        ];
        let losses = losses.map(Counter::Loss);
        let lies = Malformed::ALL.map(|(reason, _)| Counter::Malformed(reason));
        let all = losses.into_iter().chain(lies);
        let mut said: Vec<_> = all.map(|counter| words(counter.index()).1).collect();
        assert!(!said.contains(&words(u32::MAX).1));
        let count = said.len();
        said.sort_unstable();
        said.dedup();
        assert_eq!(said.len(), count);
    }
}
