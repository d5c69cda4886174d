//! Namespaces, segments and wires of the real lab, with addresses and default routes. Nothing of the
//! caller's namespace is touched: every veth is made inside `inet`.

use std::time::Duration;

use super::RealLab;
use super::layout::{Medium, Plugged};
use super::plan::{CONTROL, INET, Node, Segment, Wire};
use super::relays::REGIONS;
use crate::lab::LabError;
use crate::lab::delay;
use crate::lab::netns::{self, Tool, batch};

/// Makes all namespaces and connects them.
pub(super) fn build(lab: &RealLab) -> Result<(), LabError> {
    let namespaces = lab.plan().namespaces();
    let lines: Vec<String> = namespaces
        .iter()
        .map(|name| format!("netns add {name}"))
        .collect();
    run(None, &lines)?;
    for name in &namespaces {
        settings(name)?;
        run(Some(name), &["link set lo up".to_owned()])?;
    }
    router(lab)?;
    for node in &lab.plan().nodes {
        for wire in &node.wires {
            if wire.plugged == Plugged::AtOnce {
                connect(lab, node, wire)?;
            }
        }
    }
    Ok(())
}

/// Forwarding, and answers by other ways than requests, everywhere; before any device is made.
fn settings(netns: &str) -> Result<(), LabError> {
    for (key, value) in [
        ("net.ipv4.conf.all.rp_filter", "0"),
        ("net.ipv4.conf.default.rp_filter", "0"),
        ("net.ipv4.ip_forward", "1"),
    ] {
        netns::write_sysctl(netns, key, value)?;
    }
    Ok(())
}

/// The servers' addresses and the switches.
fn router(lab: &RealLab) -> Result<(), LabError> {
    // Frames between neighbours are the switch's affair, not netfilter's.
    netns::write_sysctl(INET, "net.bridge.bridge-nf-call-iptables", "0").or_else(absent)?;
    let mut lines = vec![format!("addr add {CONTROL}/32 dev lo")];
    lines.extend(REGIONS.map(|region| format!("addr add {}/32 dev lo", region.address)));
    for segment in &lab.plan().segments {
        if is_switch(segment) {
            let Segment { name, gateway, .. } = segment;
            lines.push(format!("link add {name} type bridge forward_delay 0"));
            lines.push(format!("addr add {gateway}/24 brd + dev {name}"));
            lines.push(format!("link set {name} up"));
        }
    }
    run(Some(INET), &lines)
}

/// A kernel without `br_netfilter` has nothing to turn off.
fn absent(cause: LabError) -> Result<(), LabError> {
    let is_absent = matches!(&cause, LabError::Io { source, .. }
        if source.kind() == std::io::ErrorKind::NotFound);
    if is_absent { Ok(()) } else { Err(cause) }
}

impl RealLab {
    /// Connects a wire that was left for later.
    pub(super) fn plug_in(&self, node: &Node, device: &str) -> Result<(), LabError> {
        let mut wires = node.wires.iter();
        let left = wires.find(|wire| wire.device == device && wire.plugged == Plugged::Later);
        left.map_or(Ok(()), |wire| connect(self, node, wire))
    }

    /// Sets what the delay box of a wire holds each way; the wire needs to have one.
    pub(super) fn hold_wire(
        &self,
        node: &Node,
        device: &str,
        delay: Duration,
    ) -> Result<(), LabError> {
        self.set_delay(&knob(&port(node, device)), delay)
    }
}

/// The router's end of a wire.
fn port(node: &Node, device: &str) -> String {
    format!("{}-{device}", node.name)
}

/// The file with a delay box's delay.
fn knob(port: &str) -> String {
    format!("{port}.ms")
}

/// One device of a node: a veth to the router, or to the gateway of its user-mode network.
fn connect(lab: &RealLab, node: &Node, wire: &Wire) -> Result<(), LabError> {
    let Some(segment) = lab.plan().segment(&wire.segment) else {
        return Ok(());
    };
    let port = port(node, wire.device);
    match wire.outside {
        None => {
            let far = format!("netns {}", node.name);
            port_of(segment, &port, wire.device, &far)?;
            if let Some(delay) = wire.delay_ms {
                hold(lab, &port, &segment.gateway.to_string(), delay)?;
            }
        }
        Some(outside) => {
            let gateway = node.user_mode_netns();
            port_of(segment, &port, "outer", &format!("netns {gateway}"))?;
            let line = format!(
                "link add inner type veth peer name {} netns {}",
                wire.device, node.name
            );
            let via = segment.gateway;
            run(
                Some(&gateway),
                &[
                    format!("addr add {outside}/24 brd + dev outer"),
                    "link set outer up".to_owned(),
                    format!("route add default via {via} dev outer"),
                    line,
                    format!("addr add {}/24 brd + dev inner", wire.gateway),
                    "link set inner up".to_owned(),
                ],
            )?;
            batch(Tool::Nft, Some(&gateway), &[MASQUERADE])?;
        }
    }
    let Wire {
        device,
        address,
        gateway,
        metric,
        ..
    } = wire;
    run(
        Some(&node.name),
        &[
            format!("addr add {address}/24 brd + dev {device}"),
            format!("link set {device} up"),
            format!("route add default via {gateway} dev {device} metric {metric}"),
        ],
    )
}

/// What a user-mode network does to everything that leaves it.
const MASQUERADE: &str = "table ip user {
  chain out { type nat hook postrouting priority srcnat; policy accept; oifname \"outer\" masquerade; }
}";

/// The router's end of a wire whose other end goes elsewhere.
fn port_of(segment: &Segment, port: &str, device: &str, far: &str) -> Result<(), LabError> {
    let mut lines = vec![format!(
        "link add {port} type veth peer name {device} {far}"
    )];
    if is_switch(segment) {
        lines.push(format!("link set {port} master {}", segment.name));
    } else {
        lines.push(format!("addr add {}/24 brd + dev {port}", segment.gateway));
    }
    lines.push(format!("link set {port} up"));
    run(Some(INET), &lines)
}

/// Puts a delay box behind the router's end of a routed wire: two TAPs and a bridge.
fn hold(lab: &RealLab, port: &str, gateway: &str, milliseconds: u64) -> Result<(), LabError> {
    let [inside, outside, bridge] = ["in", "out", "box"].map(|part| format!("{port}-{part}"));
    let config = delay::Config {
        devices: [inside.clone(), outside.clone()],
        delay_file: lab.file(&knob(port)),
    };
    lab.set_delay(&knob(port), Duration::from_millis(milliseconds))?;
    lab.start_own(INET, "delay", &format!("delay-{port}"), &config)?;
    lab.await_device(INET, &outside)?;
    run(
        Some(INET),
        &[format!("link add {bridge} type bridge forward_delay 0")],
    )?;
    // Else the bridge answers for the gateway's address, and what the node sends ends there.
    netns::write_sysctl(INET, &format!("net.ipv4.conf.{bridge}.arp_ignore"), "1")?;
    run(
        Some(INET),
        &[
            format!("addr del {gateway}/24 dev {port}"),
            format!("link set {port} master {bridge}"),
            format!("link set {inside} master {bridge}"),
            format!("link set {inside} up"),
            format!("link set {bridge} up"),
            format!("addr add {gateway}/24 brd + dev {outside}"),
            format!("link set {outside} up"),
        ],
    )
}

fn is_switch(segment: &Segment) -> bool {
    matches!(segment.medium, Medium::Lan | Medium::Vmnet)
}

fn run(netns: Option<&str>, lines: &[String]) -> Result<(), LabError> {
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    batch(Tool::Ip, netns, &lines)
}
