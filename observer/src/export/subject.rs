//! Which finding is about which path: telemetry puts them side by side. It finds nothing itself.

use std::net::IpAddr;

use crate::diagnosis::{Cause, Finding};
use crate::path::{Class, PathReport, RelayMode};

/// The first finding about this path.
#[must_use]
pub fn finding_about<'a>(findings: &'a [Finding], report: &PathReport) -> Option<&'a Finding> {
    findings.iter().find(|finding| is_about(finding, report))
}

/// True if the path has the class that the cause is about, and every node that is known of it is a
/// subject.
pub(super) fn is_about(finding: &Finding, report: &PathReport) -> bool {
    let has_class = match finding.cause {
        Cause::DoubleEncapsulation => report.class == Some(Class::VxlanTailscale),
        Cause::RelayDetour => report.relay == RelayMode::Derp,
    };
    let nodes = &finding.subject.nodes;
    let mut known = report.source.node.iter().chain(&report.destination.node);
    let is_address = |name: &String| name.parse::<IpAddr>().is_ok();
    // The peer's address says something only against a subject that is named by its address.
    let peer_fits = report
        .peer
        .is_none_or(|peer| !nodes.iter().any(is_address) || nodes.contains(&peer.to_string()));
    has_class && peer_fits && known.all(|node| nodes.contains(node) || nodes.iter().any(is_address))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::fixture;

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
