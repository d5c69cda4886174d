//! The loss ledger of the kernel side: one cell for each CPU per way to refuse or lose something.

use zerocopy::{FromBytes, Immutable, KnownLayout};

use crate::parse::{Malformed, NotOurs, Packet, Rejected};

/// Ways to lose something that are not the parser's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Loss {
    /// Frames that a program saw: the sum that everything else must add up to.
    Frames = 0,
    /// A packet whose flow got no entry because the insert budget of the window was spent.
    InsertBudget = 1,
    /// A packet whose flow got no entry because the map refused it.
    InsertRefused = 2,
    /// Entries made in `biflows`.
    Inserted = 3,
    /// First packets whose announcement found its budget spent.
    AnnounceBudget = 4,
    /// Selected round trips that found their budget spent.
    RoundTripBudget = 5,
    /// Announcements and refusals that found the ring full.
    RingFull = 6,
    /// Packets whose outer flow got no entry: `outer_flows` was full or the insert budget spent.
    OuterFlowsFull = 7,
    /// Encapsulations or IPv6 extension headers beyond what is followed; the flow is counted as
    /// the one that it could be followed to.
    TooDeep = 8,
    /// Datagrams behind the first one of a merged UDP buffer that could not be looked at: too many, or
    /// no IP inside VXLAN. Counted for the first one's path.
    DatagramsHidden = 9,
    /// Frames whose headers had to be copied because they lay outside the linear part.
    HeadersCopied = 10,
    /// Frames whose headers could not be copied either: no more is known of them.
    HeadersUnreadable = 11,
    /// Armed packets that nobody answered within 4 s and that a later one replaced.
    ProbesStale = 12,
    /// Round-trip samples taken.
    Samples = 13,
    /// Refusals that were counted and not told, because the messages of the window were spent.
    MessageBudget = 14,
    /// Records of round trips that found the ring full.
    RoundTripRingFull = 15,
    /// ICMP errors about a flow without an entry, or without a readable quote: counted for the pair
    /// that they name.
    ErrorsUnmatched = 16,
    /// Packets dropped for their size that `drops` had no entry for: it was full.
    DropsRefused = 17,
    /// The same of which no path could be read.
    DropsUnreadable = 18,
    /// Later fragments whose first one was not seen, or is forgotten: counted for the pair that they
    /// name, not for the flow.
    FragmentsUnmatched = 19,
    /// ICMP errors that told a pod of this node an MTU and that `announced` had no entry for: it was full.
    AnnouncedRefused = 20,
    /// Packets whose headers go on where the capture, or the copied head, ends: counted for the flow that
    /// the rest names, the outer one if need be; of TCP and DNS not timed.
    CaptureShort = 21,
}

/// Number of [`Loss`] cells.
pub const LOSSES: u32 = 22;
/// Number of all cells of `counters`.
pub const COUNTERS: u32 = LOSSES + NotOurs::COUNT + Malformed::COUNT;

/// Bytes of room for a copied head: a power of two that offsets are masked to, and as many again, so
/// that the verifier sees no offset outside it.
pub const ROOM: usize = 1024;

/// The single entry of `counters`, one per CPU: the cells, and behind them a running program's
/// working memory (packets and a copy of a frame's head), which means nothing afterwards.
#[derive(Debug)]
#[repr(C)]
pub struct Own<C> {
    /// By [`Counter::index`].
    pub counters: [C; COUNTERS as usize],
    /// WireGuard bytes predicted for what crosses the tunnel, by hook.
    pub tunnel: [C; 2],
    /// What the parser found.
    pub packet: Packet,
    /// The copied head.
    pub head: [u8; ROOM],
    /// What the parser found inside a carrier.
    pub inner: Packet,
}

/// The cells of one CPU, without what lies behind them.
#[derive(Clone, Debug, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct CounterRecord {
    /// By [`Counter::index`].
    pub counters: [u64; COUNTERS as usize],
    /// As in [`Own`].
    pub tunnel: [u64; 2],
}

impl CounterRecord {
    /// Nothing counted.
    pub const EMPTY: Self = Self {
        counters: [0; COUNTERS as usize],
        tunnel: [0; 2],
    };

    /// One cell of the step's losses.
    #[must_use]
    pub fn of(&self, loss: Loss) -> u64 {
        self.counters.get(loss as usize).copied().unwrap_or(0)
    }

    /// Adds what another CPU counted.
    pub fn add(&mut self, other: &Self) {
        let pairs = self.counters.iter_mut().zip(&other.counters);
        let tunnels = self.tunnel.iter_mut().zip(&other.tunnel);
        for (sum, cell) in pairs.chain(tunnels) {
            *sum = sum.wrapping_add(*cell);
        }
    }
}

impl Loss {
    /// All losses in the order of their cells, with the names the ledger shows.
    pub const ALL: [(Self, &'static str); LOSSES as usize] = [
        (Self::Frames, "frames"),
        (Self::InsertBudget, "flow_refused_budget"),
        (Self::InsertRefused, "flow_refused_map"),
        (Self::Inserted, "flow_inserted"),
        (Self::AnnounceBudget, "announce_budget"),
        (Self::RoundTripBudget, "round_trip_budget"),
        (Self::RingFull, "ring_full"),
        (Self::OuterFlowsFull, "outer_flows_full"),
        (Self::TooDeep, "too_deep"),
        (Self::DatagramsHidden, "datagrams_hidden"),
        (Self::HeadersCopied, "headers_copied"),
        (Self::HeadersUnreadable, "headers_unreadable"),
        (Self::ProbesStale, "probes_stale"),
        (Self::Samples, "samples"),
        (Self::MessageBudget, "message_budget"),
        (Self::RoundTripRingFull, "round_trip_ring_full"),
        (Self::ErrorsUnmatched, "icmp_errors_unmatched"),
        (Self::DropsRefused, "drops_refused"),
        (Self::DropsUnreadable, "drops_unreadable"),
        (Self::FragmentsUnmatched, "fragments_unmatched"),
        (Self::AnnouncedRefused, "announced_refused"),
        (Self::CaptureShort, "capture_short"),
    ];
}

/// One cell of `counters`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// A loss of the step.
    Loss(Loss),
    /// A frame that is not for us.
    NotOurs(NotOurs),
    /// A frame that lies.
    Malformed(Malformed),
}

impl Counter {
    /// Index of its cell.
    #[inline(always)]
    #[must_use]
    pub const fn index(self) -> u32 {
        match self {
            Self::Loss(loss) => loss as u32,
            Self::NotOurs(reason) => LOSSES + reason as u32,
            Self::Malformed(reason) => LOSSES + NotOurs::COUNT + reason as u32,
        }
    }
}

impl From<Rejected> for Counter {
    #[inline(always)]
    fn from(reason: Rejected) -> Self {
        match reason {
            Rejected::NotOurs(reason) => Self::NotOurs(reason),
            Rejected::Malformed(reason) => Self::Malformed(reason),
        }
    }
}

impl From<Loss> for Counter {
    #[inline(always)]
    fn from(loss: Loss) -> Self {
        Self::Loss(loss)
    }
}
