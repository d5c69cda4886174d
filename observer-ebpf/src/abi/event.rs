//! Records in the event ring: announced flows and selected round trips. Submitted rarely, joined by
//! user space; a record never carries payload.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::key::FlowKey;
use crate::units::{Monotonic, Ticks};

/// What an event says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum EventKind {
    /// The first packet of a biflow at a (point, hook, direction).
    Announced = 1,
    /// The reply of a selected packet passed; one record per point.
    RoundTrip = 2,
    /// A refusal, for people: `probe` is the cell of `counters` that counted it, `sequence` the
    /// device's number where a frame was refused.
    Refused = 3,
    /// A packet of a pair without a path number was dropped for its size: the pair wants one.
    Dropped = 4,
}

impl EventKind {
    /// The kind with this number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Announced),
            2 => Some(Self::RoundTrip),
            3 => Some(Self::Refused),
            4 => Some(Self::Dropped),
            _ => None,
        }
    }
}

/// One record of the ring.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Event {
    /// Monotonic time of the packet, for a round trip of the reply.
    pub time: Monotonic,
    /// The biflow.
    pub key: FlowKey,
    /// Round trip: the reply's `TSecr` (or echo token). Announced: the packet's `TSecr`.
    pub answer: u32,
    /// The packet's `TSval`; 0 where it has none.
    pub probe: u32,
    /// The packet's acknowledgement number.
    pub ack: u32,
    /// Announced: initial sequence number of a SYN, else 0. Dropped: number behind its last byte.
    pub sequence: u32,
    /// Round-trip time at this point; 0 when announced.
    pub rtt: Ticks,
    /// L3 length of the innermost packet as seen, aggregate or not.
    pub length: u32,
    /// Path number of the biflow.
    pub path: u16,
    /// An [`EventKind`].
    pub kind: u8,
    /// Observation point.
    pub point: u8,
    /// Hook that the packet passed.
    pub hook: u8,
    /// Flow direction of the packet; of a round trip that of the reply; of a refused frame, whose
    /// flow is not known, the hook.
    pub direction: u8,
    /// TCP flags of the packet as on the wire; 0 for others.
    pub tcp_flags: u8,
    /// Zero.
    pub reserved: u8,
}

const _: () = assert!(size_of::<Event>() == 80);
