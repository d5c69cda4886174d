//! What the step needs from its surroundings: the maps, the clock, the ring.

use crate::abi::announced::AnnouncedKey;
use crate::abi::biflow::Biflow;
use crate::abi::control::{Budget, Control};
use crate::abi::counter::Counter;
use crate::abi::event::Event;
use crate::abi::fragment::{FirstFragment, FragmentKey};
use crate::abi::key::{Address, FlowKey, PairKey};
use crate::abi::outer::{OuterFlow, OuterKey};
use crate::abi::point::Hook;
use crate::abi::relay::RelayKey;
use crate::abi::row::{FragmentRow, Row, RttRow, TrafficRow};
use crate::cell::{Cell32, Cell64, Tally};
use crate::units::{Jiffies, Monotonic};

/// How an insert ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// A new entry.
    New,
    /// Another CPU was first.
    Present,
    /// The map refused.
    Refused,
}

/// The maps by their names in the kernel, the clocks and the ring. Methods find or do one thing;
/// the step decides.
pub trait Tables {
    /// 32-bit cells of shared maps.
    type W32: Cell32;
    /// 64-bit cells of shared maps.
    type W64: Cell64;
    /// Cells of per-CPU maps.
    type Sum: Tally;

    /// What user space says at this moment.
    fn control(&self) -> Option<&Control>;
    /// The entry of a biflow.
    fn biflow(&self, key: &FlowKey) -> Option<&Biflow<Self::W32, Self::W64>>;
    /// Makes a zeroed entry if there is none.
    fn insert_biflow(&self, key: &FlowKey) -> Inserted;
    /// True if the address lies in one of `networks`.
    fn is_networked(&self, address: &Address) -> bool;
    /// True if a node has the address, in the pods' networks.
    fn is_node(&self, address: &Address) -> bool;
    /// The assignment word of a translated flow.
    fn translation(&self, key: &FlowKey) -> Option<u32>;
    /// The assignment word of a pair.
    fn pair(&self, key: &PairKey) -> Option<u32>;
    /// This CPU's traffic row.
    fn traffic(&self, row: Row) -> Option<&TrafficRow<Self::Sum>>;
    /// The round-trip histogram of a row.
    fn rtt(&self, row: Row) -> Option<&RttRow<Self::W32>>;
    /// The fragment counts of a row.
    fn fragments(&self, row: Row) -> Option<&FragmentRow<Self::W64>>;
    /// What the first fragment of a packet said.
    fn first_fragment(&self, key: &FragmentKey) -> Option<FirstFragment>;
    /// Keeps what a first fragment says, in the place of the oldest one if need be.
    fn keep_first_fragment(&self, key: &FragmentKey, first: &FirstFragment);
    /// The entry of an outer flow.
    fn outer_flow(&self, key: &OuterKey) -> Option<&OuterFlow<Self::W64>>;
    /// Makes an outer flow that was first seen at `now`.
    fn insert_outer_flow(&self, key: &OuterKey, now: Monotonic) -> Inserted;
    /// Packets that announced this MTU.
    fn announced(&self, key: &AnnouncedKey) -> Option<&Self::W64>;
    /// Makes an announced MTU's count if there is none.
    fn insert_announced(&self, key: &AnnouncedKey) -> Inserted;
    /// True if a relay listens there.
    fn is_relay(&self, key: &RelayKey) -> bool;
    /// This CPU's sum of WireGuard bytes for one hook of the tunnel.
    fn tunnel(&self, hook: Hook) -> Option<&Self::Sum>;
    /// The window word of a budget.
    fn budget(&self, budget: Budget) -> Option<&Self::W64>;
    /// Adds to one cell of the ledger.
    fn count(&self, counter: Counter, amount: u64);
    /// Submits an event; `wake` asks for the reader at once. False if the ring is full.
    fn emit(&self, event: &Event, wake: bool) -> bool;
    /// The monotonic clock. Dear: asked for samples, armed packets and events alone.
    fn monotonic(&self) -> Monotonic;
    /// The jiffies counter. Cheap.
    fn jiffies(&self) -> Jiffies;
}
