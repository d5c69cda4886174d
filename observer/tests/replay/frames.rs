//! A TCP talk of two pods, as every device on its way sees it on both nodes.

use std::collections::BTreeMap;

use observer_ebpf::fixtures::layers::{self, IPV4, TCP, Tcp, UDP, ethernet};
use observer_ebpf::fixtures::{NODE_A, NODE_B, POD_A, POD_B, TAIL_A, TAIL_B};

use super::bundle::{Folder, Link, RAW};

/// What carries the VXLAN packets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Road {
    Lan,
    /// The network of one host's virtual machines.
    Vmnet,
    /// Nodes behind routers.
    Wan,
    Tailnet,
}

/// Times of the frames by file.
pub(crate) type Files = BTreeMap<String, Vec<(u32, Vec<u8>)>>;

/// Ten questions of 100 bytes, one every 100 ms, each answered after 20 ms. A device is passed each ms.
pub(crate) fn talk(road: Road) -> (Folder, Folder) {
    let (mut one, mut two) = (Files::new(), Files::new());
    for number in 0..10 {
        let (asked, answered) = (1_000 + number, 5_000 + number);
        let time = number * 100_000;
        let question = segment(true, (asked, answered - 1), &[7; 100]);
        travel(road, time, &question, true, [&mut one, &mut two]);
        let answer = segment(false, (answered, asked), &[8; 50]);
        travel(road, time + 15_000, &answer, false, [&mut two, &mut one]);
    }
    (folder(1, &one), folder(2, &two))
}

/// An IP packet from the first pod to the second, or back.
pub(crate) fn segment(is_forth: bool, (value, echo): (u32, u32), payload: &[u8]) -> Vec<u8> {
    let options = layers::stamped(value, echo);
    let (source, destination) = if is_forth {
        (POD_A, POD_B)
    } else {
        (POD_B, POD_A)
    };
    let (from, to) = if is_forth {
        (40_000, 5_201)
    } else {
        (5_201, 40_000)
    };
    let forth = value - 1_000;
    let back = value.saturating_sub(5_000);
    let (sequence, acknowledged) = if is_forth {
        (10_000 + 100 * forth, 90_000 + 50 * forth)
    } else {
        (90_000 + 50 * back, 10_000 + 100 * (back + 1))
    };
    let tcp = Tcp {
        source: from,
        destination: to,
        sequence,
        ack: acknowledged,
        options: &options,
        ..Tcp::default()
    };
    layers::Ipv4::new(source, destination, TCP).around(&tcp.around(payload))
}

/// Shows a packet at the devices of both nodes, a millisecond apart.
fn travel(
    road: Road,
    start: u32,
    packet: &[u8],
    is_forth: bool,
    [sender, receiver]: [&mut Files; 2],
) {
    let frame = ethernet(IPV4, packet);
    let datagram = layers::udp(51_000, 8_472, &layers::vxlan(0x08, &frame));
    let ends = match road {
        Road::Lan => ([192, 168, 7, 11], [192, 168, 7, 12]),
        Road::Vmnet => (NODE_A, NODE_B),
        Road::Wan => ([203, 0, 113, 11], [203, 0, 113, 12]),
        Road::Tailnet => (TAIL_A, TAIL_B),
    };
    let (source, destination) = if is_forth { ends } else { (ends.1, ends.0) };
    let outer = layers::Ipv4::new(source, destination, UDP).around(&datagram);
    let (last, outer) = match road {
        Road::Lan | Road::Vmnet | Road::Wan => ("eth0", ethernet(IPV4, &outer)),
        Road::Tailnet => ("tailscale0", outer),
    };
    let way = [("cni0", &frame), ("flannel.1", &frame), (last, &outer)];
    for (time, (device, bytes)) in (start..).step_by(1_000).zip(way) {
        let direction = if device == "cni0" { "in" } else { "out" };
        let file = format!("{device}.{direction}.pcap");
        sender.entry(file).or_default().push((time, bytes.clone()));
    }
    for (time, (device, bytes)) in (start + 3_000..).step_by(1_000).zip(way.into_iter().rev()) {
        let direction = if device == "cni0" { "out" } else { "in" };
        let file = format!("{device}.{direction}.pcap");
        receiver
            .entry(file)
            .or_default()
            .push((time, bytes.clone()));
    }
}

pub(crate) fn folder(node: u8, files: &Files) -> Folder {
    let folder = Folder::new(&format!("n{node}"), &Link::of_a_node(node));
    for (name, frames) in files {
        let link = if name.starts_with("tailscale") {
            RAW
        } else {
            1
        };
        folder.pcap(name, link, frames);
    }
    folder
}
