//! S12, fault: as [`super::h4`], and one node is 20 ms of round trip away from the others. Nothing is
//! misconfigured: what talks much should stand near.
//!
//! ```text
//!   near node ----- router ----- near node
//!                     |
//!                delay box, 10 ms each way
//!                     |
//!                  far node
//! ```

use std::time::Duration;

use super::h4::{self, NEAR, ROUTED};
use super::tunnel_signs::{quick, slow};
use super::{Expected, Finding, Scenario};
use crate::lab::LabError;
use crate::real::evidence::{Evidence, Sign};
use crate::real::layout::Layout;
use crate::real::{RealError, RealLab};

/// The scenario.
pub(super) const S12: Scenario = Scenario {
    id: "S12",
    title: "a peer 20 ms away by subnet routes",
    layout: || Layout::sites(&["near", "near", "far"]).with_delay("far", AWAY_MS),
    build: h4::build,
    undo: Some(undo),
    paths: |lab| Expected::everywhere(lab, ROUTED),
    signs,
    finding: Some(Finding {
        cause: "distance",
        fix: "placement-hint",
        by: &[],
        beside: &[],
    }),
};

/// What its wire holds each way, in milliseconds.
const AWAY_MS: u64 = 10;

/// The far node moves near, as placement would have it.
fn undo(lab: &RealLab) -> Result<(), LabError> {
    let far = lab.role("far")?;
    lab.hold_wire(far, "eth0", Duration::ZERO)?;
    lab.await_talking()
}

/// The round trip to the far node is that of its wire, and to the others there is none to speak of.
fn signs(evidence: &Evidence<'_>) -> Result<Vec<Sign>, RealError> {
    let lab = evidence.lab();
    let far = &lab.role("far")?.pods;
    let mut signs = h4::routed(evidence)?;
    for path in (lab.scenario().paths)(lab)? {
        let is_far = far.contains(&path.from) || far.contains(&path.to);
        signs.push(if is_far {
            slow(evidence, &path, Duration::from_millis(2 * AWAY_MS))?
        } else {
            quick(evidence, &path, NEAR)?
        });
    }
    Ok(signs)
}
