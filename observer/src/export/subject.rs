//! Which finding is about which path: telemetry puts them side by side. It finds nothing itself.

use std::net::IpAddr;

use crate::diagnosis::{Cause, Finding};
use crate::path::{Class, Oversize, PathReport, RelayMode};

/// The first finding about this path.
#[must_use]
pub fn finding_about<'a>(findings: &'a [Finding], report: &PathReport) -> Option<&'a Finding> {
    findings.iter().find(|finding| is_about(finding, report))
}

/// True if the path has the class that the cause is about, and every node that is known of it is a
/// subject.
pub(super) fn is_about(finding: &Finding, report: &PathReport) -> bool {
    let nodes = &finding.subject.nodes;
    let mut known = report.source.node.iter().chain(&report.destination.node);
    let has_class = match finding.cause {
        Cause::DoubleEncapsulation => report.class == Some(Class::VxlanTailscale),
        Cause::RelayDetour => report.relay == RelayMode::Derp,
        // About one node, whatever is at the other end, or about the one that tells this one's pods.
        Cause::StaleMtu => {
            let is_meant = if nodes.iter().any(|name| is_address(name)) {
                is_told(report) && is_reached(report, nodes)
            } else {
                loses(report, false)
            };
            return is_meant && known.any(|node| nodes.contains(node));
        }
        Cause::OversizeBlackhole => {
            return loses(report, true) && known.any(|node| nodes.contains(node));
        }
    };
    // The peer's address says something only against a subject that is named by its address.
    let peer_fits = !nodes.iter().any(|name| is_address(name)) || is_reached(report, nodes);
    has_class
        && peer_fits
        && known.all(|node| nodes.contains(node) || nodes.iter().any(|name| is_address(name)))
}

fn is_address(name: &str) -> bool {
    name.parse::<IpAddr>().is_ok()
}

/// True unless the path's peer is known to be another one than these.
fn is_reached(report: &PathReport, nodes: &[String]) -> bool {
    let peer = report.peer.map(|peer| peer.to_string());
    peer.is_none_or(|peer| nodes.contains(&peer))
}

/// True if the path's sender is told of late that its packets are too long.
fn is_told(report: &PathReport) -> bool {
    let mut found = report.oversize.iter().filter_map(Oversize::announced_mtu);
    found.next().is_some()
}

/// True if packets of the path are being dropped for their size, silently or not.
fn loses(report: &PathReport, silently: bool) -> bool {
    let mut found = report.oversize.iter().flat_map(Oversize::live);
    found.any(|dropped| dropped.place.is_silent() == silently)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::fixture;

    #[test]
    fn a_finding_about_what_another_node_announces_is_about_the_paths_that_were_told() {
        let about = |nodes: &[&str], peer: Option<[u8; 4]>, number| {
            let mut finding = fixture::finding();
            finding.cause = Cause::StaleMtu;
            finding.subject.nodes = nodes.iter().map(|&name| name.to_owned()).collect();
            let mut report = fixture::report();
            report.destination.node = None;
            report.peer = peer.map(IpAddr::from);
            report.oversize = Some(Oversize {
                dropped: Vec::new(),
                announced: vec![crate::path::Announced {
                    number,
                    ..fixture::announced()
                }],
            });
            is_about(&finding, &report)
        };
        let (vtep, other) = ([192, 168, 64, 3], [192, 168, 64, 4]);
        let both = ["n1", "192.168.64.3"];
        assert!(about(&both, Some(vtep), 1_230));
        assert!(about(&both, None, 1_230));
        assert!(!about(&both, Some(other), 1_230));
        assert!(!about(&both, Some(vtep), 0), "no MTU");
        assert!(!about(&["n2", both[1]], Some(vtep), 1_230));
        assert!(!about(&["n1"], Some(vtep), 1_230), "no drop");
    }

    #[test]
    fn a_finding_about_lost_packets_is_about_paths_that_lose_them_on_that_node() {
        let about = |cause, node: &str, oversize| {
            let mut finding = fixture::finding();
            finding.cause = cause;
            finding.subject.nodes = vec![node.to_owned()];
            let report = PathReport {
                oversize,
                ..fixture::report()
            };
            is_about(&finding, &report)
        };
        let silent = fixture::report().oversize;
        assert!(about(Cause::OversizeBlackhole, "n1", silent.clone()));
        assert!(!about(Cause::OversizeBlackhole, "n3", silent.clone()));
        assert!(!about(Cause::StaleMtu, "n1", silent));
        assert!(!about(Cause::OversizeBlackhole, "n1", None));
    }

    fn about(nodes: [&str; 2], change: impl Fn(&mut PathReport)) -> bool {
        let mut finding = fixture::finding();
        finding.subject.nodes = nodes.map(str::to_owned).to_vec();
        let mut report = fixture::report();
        report.class = Some(Class::VxlanTailscale);
        change(&mut report);
        finding_about(&[finding], &report).is_some()
    }

    #[test]
    fn a_path_of_another_class_node_or_peer_is_another_matter() {
        assert!(about(["n1", "n2"], |_| {}));
        assert!(about(["n2", "n1"], |_| {}), "both directions");
        assert!(!about(["n1", "n2"], |path| path.class = Some(Class::LanDirect)));
        assert!(!about(["n1", "n3"], |_| {}));
        let peer = |path: &mut PathReport| {
            path.destination.node = None;
            path.peer = Some([100, 64, 0, 2].into());
        };
        assert!(about(["n1", "100.64.0.2"], peer));
        assert!(!about(["n1", "100.64.0.3"], peer));
    }
}
