//! H2c, healthy: H2 with Services, which every node translates by nftables as kube-proxy does.
//!
//! ```text
//!   client            keeping            masking
//!   pod a             pod a              pod b
//!   web     10.43.s.1:80 -> pod a of the keeping node, port 8080
//!   masked  10.43.s.2:80 -> pod b of the masking node, port 8080, which sees 10.42.N.1 of its own
//!                           cni0 as source: its node masquerades what comes from other nodes
//! ```
//!
//! Devices, addresses and MTUs are those of H2.

use std::net::Ipv4Addr;

use super::paths::Views;
use super::signs::{as_expected, leaves, never_leaves, road};
use super::{Expected, Scenario};
use crate::lab::LabError;
use crate::lab::steps::services;
use crate::lab::topology::{Backend, Protocol, Service, Source};
use crate::oracle::Hook;
use crate::real::counters::Kind;
use crate::real::evidence::{Evidence, Sign};
use crate::real::flannel;
use crate::real::layout::Layout;
use crate::real::load;
use crate::real::plan::Node;
use crate::real::{RealError, RealLab};

/// The scenario.
pub(super) const H2C: Scenario = Scenario {
    id: "H2c",
    title: "VXLAN on the vmnet, through Services",
    layout: || Layout::vmnet(&[CLIENT, KEEPING, MASKING]).with_pods(2),
    build,
    undo: None,
    paths,
    signs,
    finding: None,
};

/// The node whose pods call.
const CLIENT: &str = "client";
/// The node whose pods see who calls.
const KEEPING: &str = "keeping";
/// The node whose pods see their own bridge.
const MASKING: &str = "masking";
/// Port of the Services.
const PORT: u16 = 80;
/// What all pairs have in common.
const VIEWS: Views = Views::agreed("vxlan-vmnet", "vxlan");

fn build(lab: &RealLab) -> Result<(), LabError> {
    lab.pod_network(flannel::Backend::Vxlan, |_| "lima0")?;
    let services = services(lab)?;
    lab.on_every_node(|node| {
        let pods: Vec<&str> = node.pods.iter().map(String::as_str).collect();
        let rules = services::ruleset(&services, &node.pod_cidr(), &pods);
        lab.nft(&node.name, &rules)
    })
}

/// `web` and `masked`.
fn services(lab: &RealLab) -> Result<[Service; 2], LabError> {
    let third = u8::try_from(lab.plan().seed % 250).unwrap_or_default();
    let service = |name: &str, host, node: &Node, position: usize, source| {
        let pod = node.pods.get(position).cloned().unwrap_or_default();
        Ok::<_, LabError>(Service {
            name: name.to_owned(),
            address: Ipv4Addr::new(10, 43, third, host),
            protocol: Protocol::Tcp,
            port: PORT,
            backends: vec![Backend {
                address: lab.pod(&pod)?.address,
                pod,
                port: load::PORT,
            }],
            source,
        })
    };
    Ok([
        service("web", 1, lab.role(KEEPING)?, 0, Source::Kept)?,
        service("masked", 2, lab.role(MASKING)?, 1, Source::Masqueraded)?,
    ])
}

/// All pairs of first pods; the client has Services for the pods behind them.
fn paths(lab: &RealLab) -> Result<Vec<Expected>, LabError> {
    let client = lab.role(CLIENT)?;
    let (caller, _) = lab.pod_of(client)?;
    let mut paths = Expected::everywhere(lab, VIEWS)?;
    for service in services(lab)? {
        for backend in &service.backends {
            paths.retain(|path| path.from != caller || path.to != backend.pod);
            let path = Expected::of_pods(lab, (client, &caller), &backend.pod, VIEWS)?;
            paths.push(path.through(service.socket()));
        }
    }
    Ok(paths)
}

/// As H2; the client's node translates what goes to Services, and one node the callers.
fn signs(evidence: &Evidence<'_>) -> Result<Vec<Sign>, RealError> {
    let lab = evidence.lab();
    let mut signs = as_expected(evidence)?;
    for path in paths(lab)? {
        signs.push(road(evidence, &path, "flannel.1")?);
    }
    for node in &lab.plan().nodes {
        signs.push(leaves(evidence, node, "lima0", Kind::Vxlan));
        signs.push(never_leaves(evidence, node, "lima0", Kind::Fragments));
        signs.push(never_leaves(evidence, node, "lima0", Kind::PodsOut));
    }
    let client = &lab.role(CLIENT)?.name;
    let called = evidence.packets(client, "cni0", Hook::Ingress, Kind::PodsOut);
    signs.push(Sign::new(
        "pods send to Services",
        called > 0,
        called.to_string(),
    ));
    for (place, rule) in [(client, "dnat"), (&lab.role(MASKING)?.name, "masquerade")] {
        signs.push(applied(lab, place, rule)?);
    }
    Ok(signs)
}

/// All rules of this kind of a node have met connections.
fn applied(lab: &RealLab, place: &str, kind: &str) -> Result<Sign, RealError> {
    let rules = lab.output(place, &["nft", "list", "table", "ip", "kube-proxy"])?;
    let counts: Vec<&str> = rules
        .lines()
        .filter(|rule| rule.contains(kind))
        .filter_map(|rule| rule.split("counter packets ").nth(1)?.split(' ').next())
        .collect();
    Ok(Sign::new(
        format!("every {kind} of {place} meets connections"),
        !counts.is_empty() && !counts.contains(&"0"),
        format!("{counts:?}"),
    ))
}
