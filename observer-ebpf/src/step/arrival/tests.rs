//! The way from the wire to the stack over plain cells.

use core::cell::Cell;
use std::vec::Vec;

use super::*;
use crate::abi::wire::WireRecord;
use crate::parse::{Outer, Timing};

/// Cells of one CPU with a clock that is set by hand.
struct Plain {
    row: WireRow<Cell<u64>>,
    slots: Vec<Cell<u64>>,
    now: Cell<u64>,
    rates: Rates,
}

impl Wires for Plain {
    type Sum = Cell<u64>;
    type Word = Cell<u64>;

    fn rates(&self) -> Rates {
        self.rates
    }

    fn wire(&self, point: Point) -> Option<&WireRow<Cell<u64>>> {
        (point == POINT).then_some(&self.row)
    }

    fn arrival(&self, slot: u32) -> Option<&Cell<u64>> {
        self.slots.get(slot as usize)
    }

    fn now(&self) -> Monotonic {
        Monotonic(self.now.get())
    }
}

const POINT: Point = Point::Underlay0;
const MICROSECOND: u64 = 1_000;
const SECOND: u64 = 1_000_000_000;

impl Plain {
    fn new() -> Self {
        Self {
            row: WireRow::default(),
            slots: (0..ARRIVALS).map(|_| Cell::new(0)).collect(),
            // One microsecond before the low 32 bits of the time begin anew.
            now: Cell::new((1 << 38) - MICROSECOND),
            rates: Rates { tcp: 0, echo: 0 },
        }
    }

    fn pass(&self, nanos: u64) {
        self.now.set(self.now.get() + nanos);
    }

    fn arrive(&self, packet: &Packet) {
        arrive(self, POINT, 1_514);
        note(self, POINT, packet);
    }

    fn receive(&self, packet: &Packet) {
        receive(self, POINT, alone(packet), Some(packet));
    }

    /// (noted, unmet, timed, nanoseconds).
    fn timed(&self) -> [u64; 4] {
        let samples = self.row.delays.iter().map(Cell::get).sum();
        let nanos = self.row.delayed.get() << 6;
        [self.row.noted.get(), self.row.unmet.get(), samples, nanos]
    }
}

fn segment(probe: u32) -> Packet {
    Packet {
        network_offset: 14,
        payload_offset: 66,
        length: 1_500,
        timing: Timing {
            kind: TimingKind::TcpStamped,
            probe,
            answer: 7,
            ack: 9,
            ..Timing::NONE
        },
        ..Packet::EMPTY
    }
}

fn alone(packet: &Packet) -> Frame {
    Frame {
        length: packet.network_offset + packet.length,
        ..Frame::default()
    }
}

#[test]
fn of_a_burst_that_is_merged_the_first_segment_is_timed() {
    let plain = Plain::new();
    plain.arrive(&segment(1));
    plain.pass(5 * MICROSECOND);
    plain.arrive(&segment(1));
    plain.pass(11 * MICROSECOND);
    plain.receive(&segment(1));
    let [noted, unmet, timed, nanos] = plain.timed();
    assert_eq!([noted, unmet, timed], [1, 0, 1]);
    assert!((15_900..=16_100).contains(&nanos), "{nanos}");
    plain.receive(&segment(1));
    assert_eq!(plain.timed()[2], 1, "the second one has no arrival left");
    assert_eq!((plain.row.packets.get(), plain.row.bytes.get()), (2, 3_028));
}

#[test]
fn what_differs_in_any_number_of_its_identity_is_another_packet() {
    let plain = Plain::new();
    plain.arrive(&segment(1));
    let mut others = [(); 4].map(|()| segment(1));
    others[0].timing.probe = 2;
    others[1].timing.answer = 8;
    others[2].timing.ack = 10;
    others[3].key.high_port = [1, 187];
    for other in &others {
        plain.receive(other);
    }
    assert_eq!(plain.timed(), [1, 0, 0, 0]);
    plain.receive(&segment(1));
    assert_eq!(plain.timed()[2], 1);
}

#[test]
fn an_arrival_that_met_nobody_is_counted_and_times_nothing() {
    let plain = Plain::new();
    plain.arrive(&segment(1));
    plain.pass(SECOND);
    plain.receive(&segment(1));
    assert_eq!(plain.timed(), [1, 1, 0, 0], "too old where it was met");
    plain.arrive(&segment(2));
    plain.pass(SECOND);
    plain.arrive(&segment(2));
    assert_eq!(
        plain.timed(),
        [3, 2, 0, 0],
        "too old where it was noted again"
    );
    plain.receive(&segment(2));
    assert_eq!(plain.timed(), [3, 2, 1, 0]);
}

#[test]
fn an_arrival_whose_slot_is_taken_over_is_counted() {
    let plain = Plain::new();
    let slot = |probe| identity(POINT, &segment(probe)).0;
    let twin = (2..100_000)
        .find(|&probe| slot(probe) == slot(1))
        .expect("one in 1,024");
    plain.arrive(&segment(1));
    plain.arrive(&segment(twin));
    plain.receive(&segment(1));
    assert_eq!(plain.timed(), [2, 1, 0, 0]);
    plain.receive(&segment(twin));
    assert_eq!(plain.timed(), [2, 1, 1, 0]);
}

#[test]
fn what_is_not_selected_is_counted_alone() {
    let mut plain = Plain::new();
    plain.rates = Rates { tcp: 31, echo: 31 };
    let mut echo = segment(0);
    echo.timing.kind = TimingKind::EchoReply;
    let mut silent = segment(0);
    silent.timing.kind = TimingKind::TcpPlain;
    for packet in [&segment(1), &echo, &silent] {
        plain.arrive(packet);
        plain.receive(packet);
    }
    assert_eq!(plain.timed(), [0; 4]);
    assert_eq!((plain.row.packets.get(), plain.row.buffers.get()), (3, 3));
    plain.rates.echo = 0;
    plain.arrive(&echo);
    plain.receive(&echo);
    assert_eq!(plain.timed()[..3], [1, 0, 1]);
}

#[test]
fn a_merged_buffer_counts_as_the_frames_on_the_wire() {
    let plain = Plain::new();
    // 3 full segments and one of 100 bytes.
    let packet = Packet {
        length: 52 + 3 * 1_448 + 100,
        ..segment(1)
    };
    let frame = Frame {
        gso_size: 1_448,
        ..alone(&packet)
    };
    receive(&plain, POINT, frame, Some(&packet));
    let counted = |row: &WireRow<Cell<u64>>| {
        let [buffers, segments] = [&row.buffers, &row.segments].map(Cell::get);
        [buffers, segments, row.segment_bytes.get()]
    };
    assert_eq!(counted(&plain.row), [1, 4, 3 * 1_514 + 166]);
    // 2 VXLAN datagrams under one UDP header: 42 + 2 x (8 + 14 + 100).
    let mut merged = segment(1);
    merged.carriage = crate::abi::biflow::Carriage::Vxlan;
    merged.outer = Outer {
        payload_offset: 42,
        ..merged.outer
    };
    (merged.network_offset, merged.payload_offset, merged.length) = (64, 116, 100);
    let frame = Frame {
        length: 42 + 2 * 122,
        gso_size: 122,
        mark: 0,
    };
    receive(&plain, POINT, frame, Some(&merged));
    assert_eq!(counted(&plain.row), [2, 6, 3 * 1_514 + 166 + 2 * 164]);
    receive(
        &plain,
        POINT,
        Frame {
            length: 60,
            ..Frame::default()
        },
        None,
    );
    assert_eq!(counted(&plain.row), [3, 7, 3 * 1_514 + 166 + 2 * 164 + 60]);
}

#[test]
fn rows_join_cell_by_cell() {
    let mut one = WireRecord {
        packets: 3,
        ..WireRecord::default()
    };
    one.delays[5] = 2;
    let both = one.with(&one, u64::wrapping_add);
    assert_eq!((both.packets, both.delays[5], both.bytes), (6, 4, 0));
}
