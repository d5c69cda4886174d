//! The way of a packet from the wire to the stack, at underlays: XDP counts frames before GRO and
//! notes when a selected one arrived, TC ingress counts what became of them and takes the time.
//!
//! Never: a write to the packet or its metadata (GRO merges no packets whose metadata differ), a
//! look-up for a packet that is not selected, a count that anything else uses.

use crate::abi::outer::SPREAD;
use crate::abi::point::Point;
use crate::abi::wire::{ARRIVALS, WireRow, delay_bucket};
use crate::cell::{Cell64, Tally};
use crate::parse::{Packet, TimingKind};
use crate::units::{Fine, Monotonic, low_word};

use super::size::wire_size;
use super::{Frame, is_selected};

/// An arrival that met nobody for 1 s is given up.
const STALE: u32 = 15_625_000;

/// One in 2^rate is selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// Of TCP timestamps.
    pub tcp: u8,
    /// Of echo tokens.
    pub echo: u8,
}

/// Where these numbers live.
pub trait Wires {
    /// Cells that one CPU writes.
    type Sum: Tally;
    /// Cells that all CPUs write: XDP and TC may run on different ones.
    type Word: Cell64;

    /// What is selected at this moment.
    fn rates(&self) -> Rates;
    /// This CPU's row; none for points that are no underlays.
    fn wire(&self, point: Point) -> Option<&WireRow<Self::Sum>>;
    /// A slot of the table of arrivals, below [`ARRIVALS`].
    fn arrival(&self, slot: u32) -> Option<&Self::Word>;
    /// The monotonic clock, for selected packets alone.
    fn now(&self) -> Monotonic;
}

/// XDP: counts a frame of `length` bytes, link header included.
#[inline(always)]
pub fn arrive<T: Wires>(wires: &T, point: Point, length: u64) {
    if let Some(row) = wires.wire(point) {
        row.packets.add(1);
        row.bytes.add(length);
    }
}

/// XDP: keeps the time of a selected packet, unless one of the same identity is still on its way: of
/// segments that GRO merges the first one is timed.
#[inline(always)]
pub fn note<T: Wires>(wires: &T, point: Point, packet: &Packet) {
    if is_followed(wires.rates(), packet) {
        keep(wires, point, packet);
    }
}

/// TC ingress: counts a buffer as the frames that it was made of, and times a selected packet. What is
/// no packet of ours is one frame.
#[inline(always)]
pub fn receive<T: Wires>(wires: &T, point: Point, frame: Frame, packet: Option<&Packet>) {
    let Some(row) = wires.wire(point) else {
        return;
    };
    let (segments, bytes) = match packet {
        Some(packet) => wire_size(packet, frame),
        None => (1, u64::from(frame.length)),
    };
    row.buffers.add(1);
    row.segments.add(segments);
    row.segment_bytes.add(bytes);
    if let Some(packet) = packet
        && is_followed(wires.rates(), packet)
    {
        meet(wires, point, packet);
    }
}

#[inline(always)]
const fn is_followed(rates: Rates, packet: &Packet) -> bool {
    let timing = &packet.timing;
    match timing.kind {
        TimingKind::None | TimingKind::TcpPlain | TimingKind::DnsQuery | TimingKind::DnsAnswer => {
            false
        }
        TimingKind::TcpStamped => is_selected(timing.probe, rates.tcp),
        TimingKind::EchoRequest => is_selected(timing.probe, rates.echo),
        TimingKind::EchoReply => is_selected(timing.answer, rates.echo),
    }
}

/// {tag, arrival} of a packet that is on its way; 0 = free.
#[derive(Clone, Copy)]
struct Noted(u64);

impl Noted {
    const FREE: Self = Self(0);

    #[inline(always)]
    const fn new(tag: u32, since: Fine) -> Self {
        Self(((tag as u64) << 32) | since.0 as u64)
    }

    #[inline(always)]
    const fn is_of(self, tag: u32) -> bool {
        self.0 != Self::FREE.0 && low_word(self.0 >> 32) == tag
    }

    #[inline(always)]
    const fn age(self, now: Fine) -> Fine {
        now.since(Fine(low_word(self.0)))
    }
}

/// Slot and tag of a packet. Segments that GRO merges have equal ones: their timestamps and their
/// acknowledgement are equal, and sequence numbers are left out.
#[inline(always)]
const fn identity(point: Point, packet: &Packet) -> (u32, u32) {
    let (key, timing) = (&packet.key, &packet.timing);
    let [a, b] = key.low.words();
    let [c, d] = key.high.words();
    let [e, f] = key.low_port;
    let [g, h] = key.high_port;
    let place = ((point as u64) << 1) | packet.direction as u64;
    let ports = u32::from_ne_bytes([e, f, g, h]) as u64;
    let mut word = (((timing.probe as u64) << 32) | timing.answer as u64).wrapping_mul(SPREAD);
    word = (word ^ (word >> 32) ^ (((timing.ack as u64) << 32) | ports)).wrapping_mul(SPREAD);
    word = (word ^ (word >> 32) ^ a ^ c.rotate_left(8) ^ place).wrapping_mul(SPREAD);
    word = (word ^ (word >> 32) ^ b ^ d.rotate_left(8)).wrapping_mul(SPREAD);
    (low_word(word) >> 16 & (ARRIVALS - 1), low_word(word >> 32))
}

#[inline(never)]
fn keep<T: Wires>(wires: &T, point: Point, packet: &Packet) {
    let (slot, tag) = identity(point, packet);
    let (Some(row), Some(cell)) = (wires.wire(point), wires.arrival(slot)) else {
        return;
    };
    let now = wires.now().fine();
    let held = Noted(cell.load());
    if held.is_of(tag) && held.age(now).0 < STALE {
        return;
    }
    if held.0 != Noted::FREE.0 {
        row.unmet.add(1);
    }
    row.noted.add(1);
    cell.store(Noted::new(tag, now).0);
}

#[inline(never)]
fn meet<T: Wires>(wires: &T, point: Point, packet: &Packet) {
    let (slot, tag) = identity(point, packet);
    let (Some(row), Some(cell)) = (wires.wire(point), wires.arrival(slot)) else {
        return;
    };
    let held = Noted(cell.load());
    if !held.is_of(tag) || !cell.replace(held.0, Noted::FREE.0) {
        return;
    }
    let delay = held.age(wires.now().fine());
    if delay.0 >= STALE {
        return row.unmet.add(1);
    }
    row.delayed.add(u64::from(delay.0));
    if let Some(bucket) = row.delays.get(delay_bucket(delay)) {
        bucket.add(1);
    }
}

#[cfg(test)]
mod tests;
