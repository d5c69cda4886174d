//! S2, fault: proxy pods as the operator makes them, tailscaled inside a pod, on top of [`super::s1`].
//! What one sends to the other's tailnet address is wrapped three times.
//!
//! ```text
//!   pod tailscale0 100.p, 1280 > WireGuard to the other pod's address, 1340 bytes
//!   > pod eth0, 1230: cut into 1228 + 132 > cni0 > flannel.1, VXLAN > tailscale0, WireGuard > eth0
//! ```
//!
//! Seen: echoes pass in a millisecond, but 150 kB take 8 to 10 s, because batches of datagrams (UDP
//! GSO) do not fit eth0 and are refused. Only tailscaled in the pod counts them
//! (`outbound_dropped_packets_total{reason="error"}`); single datagrams are cut and get through.
//!
//! Every node has an ordinary pod too; two have a proxy. A rule keeps the proxies' datagrams inside
//! the pod network, where they meet at pods' addresses: with masquerading they might also meet at the
//! nodes' addresses, now this way and now that.

use super::paths::{Cut, Views};
use super::signs::{grows, has_mtu, leaves};
use super::tunnel_signs::{is_direct_at, reached};
use super::{Expected, Finding, Outcome, Scenario, s1};
use crate::lab::LabError;
use crate::real::counters::Kind;
use crate::real::evidence::{Evidence, Sign};
use crate::real::flannel::Backend;
use crate::real::layout::Layout;
use crate::real::plan::Node;
use crate::real::tailscaled;
use crate::real::{RealError, RealLab};

/// The scenario.
pub(super) const S2: Scenario = Scenario {
    id: "S2",
    title: "tunnel proxies in pods on VXLAN over tailscale0",
    layout: || Layout::lan(&["proxy", "proxy", "peer"]).with_pods(2),
    build,
    undo: Some(undo),
    paths,
    signs,
    finding: Some(Finding {
        cause: "triple_encapsulation",
        fix: "flannel-iface-lan",
        by: &[],
        beside: &[s1::FINDING],
    }),
};

fn build(lab: &RealLab) -> Result<(), LabError> {
    s1::build(lab)?;
    on_both(lab, |node, pod| {
        lab.keep_pod_udp_inside(node)?;
        // Each proxy picks a port of its own, as the operator's do.
        tailscaled::join(lab, pod, 0, &[]).map(|_| ())
    })?;
    await_proxies(lab)
}

/// Flannel moves to the LAN, pods are made anew, and the proxies start again in theirs.
fn undo(lab: &RealLab) -> Result<(), LabError> {
    on_both(lab, |_, pod| tailscaled::stop(lab, pod))?;
    lab.remove_pod_network()?;
    lab.pod_network(Backend::Vxlan, |_| "eth0")?;
    on_both(lab, |_, pod| tailscaled::start(lab, pod, 0, &[]))?;
    await_proxies(lab)?;
    lab.await_talking()
}

/// The nodes that have a proxy, and its pod.
fn proxies(lab: &RealLab) -> impl Iterator<Item = (&Node, &str)> {
    let nodes = lab.plan().of_role("proxy");
    nodes.filter_map(|node| Some((node, node.pods.last()?.as_str())))
}

fn on_both(
    lab: &RealLab,
    work: impl Fn(&Node, &str) -> Result<(), LabError>,
) -> Result<(), LabError> {
    proxies(lab).try_for_each(|(node, pod)| work(node, pod))
}

/// Ordered pairs of proxies.
fn pairs(lab: &RealLab) -> impl Iterator<Item = ((&Node, &str), &str)> {
    proxies(lab).flat_map(move |(node, from)| {
        let others = proxies(lab).filter(move |(_, to)| *to != from);
        others.map(move |(_, to)| ((node, from), to))
    })
}

/// Waits until the proxies reach each other at their pods' addresses.
fn await_proxies(lab: &RealLab) -> Result<(), LabError> {
    for ((_, from), to) in pairs(lab) {
        let address = lab.pod(to)?.address;
        tailscaled::await_status(lab, from, to, "at its pod", |peer| {
            peer.endpoint() == Some(address)
        })?;
    }
    Ok(())
}

fn paths(lab: &RealLab) -> Result<Vec<Expected>, LabError> {
    let mut paths = Expected::everywhere(lab, s1::VIEWS)?;
    let views = Views {
        encap: "wireguard>vxlan>wireguard",
        ..s1::VIEWS
    };
    for (from, to) in pairs(lab) {
        let path = Expected::of_pods(lab, from, to, views)?;
        let (source, target) = (lab.tailnet(from.1)?, lab.tailnet(to)?);
        let path = path.within(source, target).with_outcome(Outcome::Slow);
        paths.push(path.with_cut(Cut::Inner).as_proxy());
    }
    Ok(paths)
}

/// As S1; and the proxies' WireGuard, cut in the pod, enters flannel.1 as any pod's packets do.
fn signs(evidence: &Evidence<'_>) -> Result<Vec<Sign>, RealError> {
    let lab = evidence.lab();
    let mut signs = s1::signs(evidence)?;
    for ((node, from), to) in pairs(lab) {
        let address = lab.pod(to)?.address;
        signs.push(reached(evidence, from, to, "at its pod", |mode| {
            is_direct_at(mode, &[address])
        })?);
        signs.push(leaves(evidence, node, "flannel.1", Kind::WireGuard));
        signs.push(leaves(evidence, node, "flannel.1", Kind::PodFragments));
        signs.push(has_mtu(from, "eth0", 1230)?);
        signs.push(grows(evidence, from, "IpFragCreates"));
        signs.push(refused(evidence, from));
    }
    Ok(signs)
}

/// tailscaled in a pod counts what it could not send: batches with datagrams too long for eth0.
fn refused(evidence: &Evidence<'_>, pod: &str) -> Sign {
    let name = "tailscaled_outbound_dropped_packets_total";
    let lost = evidence.tailscaled(pod, name, &[("reason", "error")]);
    Sign::new(
        format!("tailscaled of {pod} loses batches that are too long"),
        lost > 0,
        format!("{lost} packets"),
    )
}
