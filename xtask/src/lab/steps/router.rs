//! The namespace between the nodes: switches, router addresses and delay boxes.

use std::path::Path;

use super::{Helper, Script, Step};
use crate::lab::bridge_netfilter::{CALL_IP6TABLES, CALL_IPTABLES};
use crate::lab::topology::{Device, Family, Node, Segment, SegmentKind, Topology};
use crate::lab::{BridgeNetfilter, delay};

/// The switches, and forwarding between segments.
pub(super) fn switches(topology: &Topology) -> Vec<Step> {
    let mut script = Script::new(&topology.router);
    script.sysctl("net.ipv4.ip_forward", "1");
    script.sysctl("net.ipv4.conf.all.rp_filter", "0");
    script.sysctl("net.ipv4.conf.default.rp_filter", "0");
    // The switches stand for hardware: no netfilter on bridged frames.
    script.sysctl(CALL_IPTABLES, BridgeNetfilter::Off.value());
    if topology.families().contains(&Family::Six) {
        script.forward_six();
        script.sysctl(CALL_IP6TABLES, BridgeNetfilter::Off.value());
    }
    script.ip("link set lo up");
    for segment in &topology.segments {
        if segment.kind == SegmentKind::Switch {
            let Segment {
                name,
                gateway,
                prefix,
                ..
            } = segment;
            script.ip(format!("link add {name} type bridge forward_delay 0"));
            script.ip(format!("addr add {gateway}/{prefix} brd + dev {name}"));
            if let Some(six) = segment.gateway_six {
                script.ip(format!("addr add {six}/64 dev {name} nodad"));
            }
            script.ip(format!("link set {name} up"));
        }
    }
    script.steps
}

/// The router ends of all wires, with a delay box where one is wanted.
pub(super) fn ports(topology: &Topology, nodes: &[&Node], directory: &Path) -> Vec<Step> {
    let mut script = Script::new(&topology.router);
    let relay = topology.relay.iter().map(|relay| &relay.device);
    for device in nodes.iter().flat_map(|node| &node.devices).chain(relay) {
        let segment = topology
            .segments
            .iter()
            .find(|known| known.name == device.segment);
        let Some(segment) = segment else { continue };
        let port = if device.delay_box {
            insert_delay_box(&mut script, device, directory)
        } else {
            device.router_port.clone()
        };
        match segment.kind {
            SegmentKind::Switch => script.ip(format!("link set {port} master {}", segment.name)),
            SegmentKind::Routed => {
                let Segment {
                    gateway, prefix, ..
                } = segment;
                script.ip(format!("addr add {gateway}/{prefix} brd + dev {port}"));
                if let Some(six) = segment.gateway_six {
                    script.ip(format!("addr add {six}/64 dev {port} nodad"));
                }
            }
            SegmentKind::Isolated => {}
        }
        script.ip(format!("link set {port} up"));
    }
    script.steps
}

/// Puts two TAPs into a wire; returns the name of the port that takes the wire's place.
fn insert_delay_box(script: &mut Script<'_>, device: &Device, directory: &Path) -> String {
    let wire = &device.router_port;
    let [inside, outside, bridge] = ["in", "out", "box"].map(|part| format!("{wire}-{part}"));
    let process = format!("delay-{wire}");
    let config = delay::Config {
        devices: [inside.clone(), outside.clone()],
        delay_file: directory.join(format!("{process}.ms")),
    };
    let netns = script.netns.to_owned();
    script.steps.push(Step::Start {
        netns: netns.clone(),
        name: process.clone(),
        helper: Helper::Delay(config),
    });
    script.steps.push(Step::Await {
        netns,
        device: outside.clone(),
        process,
    });
    script.ip(format!("link add {bridge} type bridge forward_delay 0"));
    script.ip(format!("link set {wire} master {bridge}"));
    script.ip(format!("link set {inside} master {bridge}"));
    for part in [wire, &inside, &bridge] {
        script.ip(format!("link set {part} up"));
    }
    outside
}

/// The host that has got the former address of a node: it answers ARP, and drops VXLAN silently.
pub(super) fn silent_host(node: &Node, topology: &Topology) -> Vec<Step> {
    let mut script = Script::new(&topology.router);
    let switches = topology.segments.iter().filter(|segment| {
        let is_its = |device: &Device| device.segment == segment.name;
        segment.kind == SegmentKind::Switch && node.devices.iter().any(is_its)
    });
    for (former, Segment { name, prefix, .. }) in node.former.into_iter().zip(switches) {
        script.ip(format!("addr add {former}/{prefix} brd + dev {name}"));
        script.steps.push(Step::Nft {
            netns: topology.router.clone(),
            ruleset: format!(
                "table ip silent-host {{
  chain input {{
    type filter hook input priority filter; policy accept;
    ip daddr {former} udp dport 8472 drop
  }}
}}"
            ),
        });
    }
    script.steps
}
