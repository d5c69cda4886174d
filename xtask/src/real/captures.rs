//! tcpdump in every node while a scenario is observed, where there is one: the heads of packets, for
//! whoever has to find out why a run failed. Nothing is judged by them.

use super::RealLab;
use crate::lab::{ChildGuard, LabError};
use crate::oracle::Tap;
use crate::oracle::capture::is_possible;

/// Holds the headers of the deepest stack: VXLAN in a tunnel in VXLAN.
const SNAP_LENGTH: u32 = 256;
/// Packets of a node, all its devices together: 27 MB at most.
const MOST: u32 = 100_000;

/// Starts one in every node; none without tcpdump. They end with the guards, or with the lab.
pub(super) fn start(lab: &RealLab) -> Result<Vec<ChildGuard>, LabError> {
    if !is_possible() {
        return Ok(Vec::new());
    }
    let nodes = lab.plan().nodes.iter();
    let started = nodes.map(|node| {
        let tap = Tap {
            snap_length: SNAP_LENGTH,
            most: Some(MOST),
            ..Tap::new(&node.name, "any")
        };
        let argv = tap.argv(&lab.file(&format!("packets-{}.pcap", node.name)));
        let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
        let log = lab.file(&format!("tcpdump-{}.log", node.name));
        lab.spawn(&node.name, &argv, &log)
    });
    started.collect()
}
