//! Recorders beside the observers of a scenario, and their bundles' replays beside what the observers said.

use std::path::Path;

use super::RealLab;
use super::judge::{Judged, Verdict};
use super::tailscaled;
use super::watch::Given;
use crate::bundles::{self, Bundle, Recorder, Row, Site};
use crate::lab::LabError;

/// What the bundles of all nodes say is no node's.
const TOGETHER: &str = "all";

/// A recorder in every node; each bundle has a folder of its own in `folder`.
pub(super) fn start_all(
    lab: &RealLab,
    observer: &Path,
    folder: &Path,
) -> Result<Vec<Recorder>, LabError> {
    let nodes = lab.plan().nodes.iter().map(|node| node.name.as_str());
    let recorders = nodes.map(|node| {
        let site = Site {
            node,
            bundle: folder.join(node),
            said: lab.file(&format!("recorder-{node}")),
            tailscaled: Some(tailscaled::socket(lab, node)),
        };
        Recorder::start(site, observer, |argv, said| lab.spawn(node, argv, said))
    });
    let recorders: Vec<Recorder> = recorders.collect::<Result<_, _>>()?;
    recorders.iter().try_for_each(Recorder::await_begun)?;
    Ok(recorders)
}

/// What the replays of all bundles say beside what the observers of their nodes gave.
pub(super) fn judge(
    lab: &RealLab,
    observer: &Path,
    (bundles, given): (&[Bundle], &[Given]),
) -> Result<Vec<Judged>, LabError> {
    let mut judged = Vec::new();
    for bundle in bundles {
        let live = given.iter().find(|given| given.node == bundle.node);
        let Some(live) = live else {
            judged.push(without_report(&bundle.node));
            continue;
        };
        let rows = bundle.compare(observer, &live.reports, |address| name(lab, address))?;
        judged.extend(rows.into_iter().map(|row| judged_by(&bundle.node, row)));
    }
    if !bundles.is_empty() {
        let all: Vec<_> = given.iter().map(|given| &given.reports).collect();
        let named = |address: &str| name(lab, address);
        let rows = bundles::compare_together(bundles, observer, &all, named)?;
        judged.extend(rows.into_iter().map(|row| judged_by(TOGETHER, row)));
    }
    Ok(judged)
}

fn judged_by(node: &str, row: Row) -> Judged {
    Judged {
        by: node.to_owned(),
        about: row.about,
        expected: row.live,
        given: row.again,
        verdict: Verdict::of(row.is_same),
    }
}

/// A bundle that nothing stands beside is not right.
fn without_report(node: &str) -> Judged {
    Judged {
        by: node.to_owned(),
        about: "again".to_owned(),
        expected: format!("a live report of {node}"),
        given: "none".to_owned(),
        verdict: Verdict::Wrong,
    }
}

/// The pod of an address, else the address.
fn name(lab: &RealLab, address: &str) -> String {
    let mut pods = lab.plan().nodes.iter().flat_map(|node| &node.pods);
    let is_it = |pod: &&String| {
        let held = lab.pod(pod);
        held.is_ok_and(|held| held.address.to_string() == address)
    };
    pods.find(is_it)
        .map_or_else(|| address.to_owned(), Clone::clone)
}
