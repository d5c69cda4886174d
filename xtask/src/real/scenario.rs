//! The scenarios of the real lab: topology, fault, how to undo it, and what is to be seen. Each is one
//! file; nothing here runs by itself.

mod h1;
mod h10;
mod h2;
mod h2c;
mod h4;
mod h6;
mod h7;
mod h8;
mod h9;
mod paths;
mod s1;
mod s10;
mod s12;
mod s1b;
mod s1c;
mod s1d;
mod s2;
mod s3;
mod s4a;
mod s4b;
mod s5;
mod s6;
mod s6b;
mod s6c;
mod s9;
mod signs;
mod tunnel_signs;

use serde::Serialize;

pub use self::paths::{Cut, Expected, Outcome};
use super::evidence::{Evidence, Sign};
use super::layout::Layout;
use super::{RealError, RealLab};
use crate::lab::LabError;

/// Something that is done to a lab.
pub type Act = fn(&RealLab) -> Result<(), LabError>;

/// One scenario.
#[derive(Debug)]
pub struct Scenario {
    /// As in the list of scenarios: `S1b`.
    pub id: &'static str,
    /// What it is, in a line.
    pub title: &'static str,
    /// Its network.
    pub layout: fn() -> Layout,
    /// Makes pod network and fault, once every node is in the tailnet; it returns when all is settled.
    pub build: Act,
    /// Takes the fault away and waits until that has settled; none for a healthy one.
    pub undo: Option<Act>,
    /// What is to be seen of which pairs.
    pub paths: fn(&RealLab) -> Result<Vec<Expected>, LabError>,
    /// Whether it is what it is said to be, by oracles.
    pub signs: fn(&Evidence<'_>) -> Result<Vec<Sign>, RealError>,
    /// What is to be found.
    pub finding: Option<Finding>,
}

/// What diagnosis has to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Its cause.
    pub cause: &'static str,
    /// The one fix.
    pub fix: &'static str,
    /// Roles of the nodes that find it; all nodes, if none is named.
    pub by: &'static [&'static str],
    /// What else is true of the scenario and may be found too: cause and fix.
    pub beside: &'static [(&'static str, &'static str)],
}

impl Finding {
    /// Whether a node of this role finds it.
    #[must_use]
    pub fn is_found_by(&self, role: &str) -> bool {
        self.by.is_empty() || self.by.contains(&role)
    }
}

/// All scenarios.
pub const ALL: [&Scenario; 24] = [
    &s1::S1,
    &s1b::S1B,
    &s1c::S1C,
    &s1d::S1D,
    &s2::S2,
    &s3::S3,
    &s4a::S4A,
    &s4b::S4B,
    &s5::S5,
    &s6::S6,
    &s6b::S6B,
    &s6c::S6C,
    &s9::S9,
    &s10::S10,
    &s12::S12,
    &h1::H1,
    &h2::H2,
    &h2c::H2C,
    &h4::H4,
    &h6::H6,
    &h7::H7,
    &h8::H8,
    &h9::H9,
    &h10::H10,
];

/// The scenario of this id, in any case.
pub fn find(id: &str) -> Result<&'static Scenario, String> {
    let mut all = ALL.into_iter();
    all.find(|scenario| scenario.id.eq_ignore_ascii_case(id))
        .ok_or_else(|| {
            let known = ALL.map(|scenario| scenario.id).join(", ");
            format!("no scenario {id}; there are {known}")
        })
}

/// The scenarios of these ids; all without any.
pub fn chosen(ids: &[String]) -> Result<Vec<&'static Scenario>, String> {
    if ids.is_empty() {
        return Ok(ALL.to_vec());
    }
    ids.iter().map(|id| find(id)).collect()
}

/// A seed short enough to be typed again.
#[must_use]
pub fn any_seed() -> u64 {
    fastrand::u64(..1_000_000)
}
