//! A finding: cause, subject, evidence, confidence, and the one change that fixes it. Cause and fix
//! ids are a stable interface.

/// Why a path is slow or dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cause {
    /// VXLAN inside WireGuard although the peer is on the same LAN.
    DoubleEncapsulation,
    /// Through a relay although a shorter road is at hand.
    RelayDetour,
    /// The pod bridge has the MTU of a former network.
    StaleMtu,
    /// Packets that are too long disappear between bridge and pod.
    OversizeBlackhole,
}

impl Cause {
    /// The id in telemetry and documents.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::DoubleEncapsulation => "double_encapsulation",
            Self::RelayDetour => "relay_detour",
            Self::StaleMtu => "stale_mtu",
            Self::OversizeBlackhole => "oversize_blackhole",
        }
    }
}

/// What a finding is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Subject {
    /// Nodes by name, or by address where no name is known; this node first.
    pub nodes: Vec<String>,
}

/// One fact that speaks for the finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// Stable id of the kind of fact.
    pub id: &'static str,
    /// The fact with its numbers.
    pub text: String,
}

/// The one change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    /// Stable id.
    pub id: &'static str,
    /// What to paste, and where.
    pub text: String,
    /// What else changes by it.
    pub side_effects: Vec<String>,
}

/// A finding.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Cause.
    pub cause: Cause,
    /// What it is about.
    pub subject: Subject,
    /// 0 to 1.
    pub confidence: f64,
    /// What it is estimated to cost each round trip, nanoseconds; 0 where no round trip was timed.
    /// Findings are ranked by it.
    pub cost: u64,
    /// What speaks for it.
    pub evidence: Vec<Evidence>,
    /// What to change.
    pub fix: Fix,
    /// What observation would refute it.
    pub refuted_by: String,
}
