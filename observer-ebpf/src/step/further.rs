//! The datagrams behind the first one of a merged UDP buffer (UDP GRO and GSO; tailscaled hands whole
//! batches to its device). They share the outer header, and VXLAN's source port is a hash of the inner
//! flow, so nearly all are of the first one's pair; pod-made fragments of one pair share a port too,
//! since fragments are hashed without ports.
//!
//! Each is looked at for its addresses and its fragment field, and counts on the path of its own pair.
//! None is timed and none marks a flow: of a merged buffer the first packet alone has a `TSval` that is
//! armed or answered here. What a round trip loses by that, the overlay device behind it shows, where
//! the packets come one by one. Behind a first one that was carried by a carrier (VXLAN inside VXLAN) none
//! is looked at.

use crate::abi::PATH_UNKNOWN;
use crate::abi::biflow::Assignment;
use crate::abi::counter::Loss;
use crate::abi::key::PairKey;
use crate::abi::outer::Within;
use crate::abi::row::Row;
use crate::cell::{Cell64, Tally};
use crate::parse::{Fragment, GLANCE, Glance, Packet, glance};

use super::size::Layout;
use super::{Frame, Tables};

/// Datagrams behind the first one that are looked at: tailscaled takes and gives at most 128 packets at
/// once (wireguard-go: conn/conn.go, `IdealBatchSize`).
pub const MOST: u32 = 127;

/// [`GLANCE`] as a length of the buffer.
#[expect(clippy::cast_possible_truncation, reason = "70 bytes")]
const LOOK: u32 = GLANCE as u32;

/// Where the heads of datagrams come from: packet memory in the kernel, a slice on the host.
pub trait Heads {
    /// The first `length` bytes at `offset` of the buffer, `length` being at most [`GLANCE`]; what
    /// stands behind them means nothing.
    fn head(&mut self, offset: u32, length: u32) -> Option<&[u8; GLANCE]>;
}

/// Counts datagram number `index`, the first one being number 0 and counted on `row`; false if the
/// buffer has none of that number. One that cannot be looked at counts on `row` too, and in the ledger.
#[inline(always)]
pub fn further<T: Tables>(
    tables: &T,
    row: Row,
    (frame, packet): (Frame, &Packet),
    index: u32,
    heads: &mut impl Heads,
) -> bool {
    let Some(layout) = Layout::of(packet, frame) else {
        return false;
    };
    let Some((offset, length)) = layout.datagram(index) else {
        return false;
    };
    let bytes = layout.inner(length);
    let head = if packet.outer.within == Within::NOTHING {
        heads.head(offset, if length > LOOK { LOOK } else { length })
    } else {
        None
    };
    let Some(seen) = head.and_then(|head| glance(head, length)) else {
        add(tables, row, (1, bytes));
        tables.count(Loss::DatagramsHidden.into(), 1);
        return true;
    };
    let row = row_of(tables, row, packet, &seen);
    add(tables, row, (1, bytes));
    if seen.fragment != Fragment::None
        && let Some(fragments) = tables.fragments(row)
    {
        fragments.inner.add(1);
    }
    true
}

/// Counts the datagrams behind number [`MOST`] on `row`, and in the ledger.
#[inline(always)]
pub fn rest<T: Tables>(tables: &T, row: Row, frame: Frame, packet: &Packet) {
    let beyond = Layout::of(packet, frame).map(|layout| layout.beyond(MOST));
    if let Some(sum @ (1.., _)) = beyond {
        add(tables, row, sum);
        tables.count(Loss::DatagramsHidden.into(), sum.0);
    }
}

/// The row of a datagram: the first one's if it is of the same pair, else that of its own pair's path,
/// or of what is not known yet. The pair alone is asked: a flow's own assignment needs its ports.
#[inline(always)]
fn row_of<T: Tables>(tables: &T, row: Row, packet: &Packet, seen: &Glance) -> Row {
    let (source, destination) = packet.key.ends(packet.direction);
    if seen.source == source && seen.destination == destination {
        return row;
    }
    let (pair, direction) = PairKey::of(seen.source, seen.destination);
    match tables.pair(&pair).map(Assignment::from_word) {
        Some(assigned) => row.beside(assigned.path, assigned.along(direction)),
        None => row.beside(PATH_UNKNOWN, direction),
    }
}

/// Adds (packets, L3 bytes) to a row.
#[inline(always)]
fn add<T: Tables>(tables: &T, row: Row, (segments, bytes): (u64, u64)) {
    if let Some(traffic) = tables.traffic(row) {
        traffic.segments.add(segments);
        traffic.bytes.add(bytes);
    }
}
