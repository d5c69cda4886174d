//! From a sampled round trip to spans: a root per side, and children that fill it without a gap.
//! Pure: the clock is an offset that the caller measured.
//!
//! ```text
//! source node        |------------- vxlan-lan round trip (CLIENT) -------------|
//!                    |pod > bridge|bridge > wire|  beyond wire  |wire > bridge|bridge > pod|
//! destination node                               |-- vxlan-lan answer (SERVER) --|
//! ```
//!
//! Never: a random id, a clock, a guess about the other node.

use std::borrow::Cow;

use super::Attribute;
use crate::diagnosis::Finding;
use crate::path::Devices;
use crate::path::PathReport;

mod about;
mod attributes;
mod identifier;
mod lost;
mod tree;

pub use about::{other_end, path_of};
pub use lost::lost_spans;
pub use tree::spans;

/// Kind of a span (OTLP `SpanKind`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The round trip from the source pod's side.
    Client,
    /// Its answer from the destination pod's side.
    Server,
    /// A part of the way inside one node.
    Internal,
}

/// A span, ready to be encoded.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// Equal on both nodes.
    pub trace_id: [u8; 16],
    /// Unique within the trace, and equal however often it is derived.
    pub span_id: [u8; 8],
    /// Parent, perhaps made by the other node's agent.
    pub parent: Option<[u8; 8]>,
    /// Kind.
    pub kind: Kind,
    /// Of few values: no address, no pod.
    pub name: Cow<'static, str>,
    /// Wall clock, nanoseconds since 1970.
    pub start: u64,
    /// Wall clock, nanoseconds since 1970; never before the start.
    pub end: u64,
    /// Why it is an error; `None` if it is none.
    pub error: Option<Cow<'static, str>>,
    /// Attributes.
    pub attributes: Vec<Attribute>,
}

/// Who may add a second side to the trace. An agent knows of no other: whether a trace has two sides
/// only the trace shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtherEnd {
    /// Another node of the cluster, if it runs an agent.
    OtherNode,
    /// Nobody: the other end is on this node too, or outside the cluster. The root says
    /// `netpath.sides=1`.
    Nobody,
}

/// Wall clock minus monotonic clock, nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockOffset(i64);

impl ClockOffset {
    /// From both clocks read together, each in nanoseconds.
    #[must_use]
    pub fn new(wall: u64, monotonic: u64) -> Self {
        let offset = i128::from(wall) - i128::from(monotonic);
        Self(i64::try_from(offset).unwrap_or(i64::MAX))
    }

    /// The wall clock at this monotonic time.
    #[must_use]
    pub const fn wall(self, monotonic: u64) -> u64 {
        monotonic.saturating_add_signed(self.0)
    }
}

/// What the agent knows about a round trip beside its times.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// This node.
    pub node: &'a str,
    /// The path from the data's source to its destination, where a sweep has seen it.
    pub path: Option<&'a PathReport>,
    /// The finding about that path, if there is one.
    pub finding: Option<&'a Finding>,
    /// Devices by point, without ports.
    pub interfaces: &'a Devices,
    /// Who may report the other end.
    pub other_end: OtherEnd,
    /// From the kernel's clock to the wall clock.
    pub clock: ClockOffset,
}
