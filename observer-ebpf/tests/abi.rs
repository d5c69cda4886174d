//! Sizes and offsets of every record that crosses the kernel's border, as literals.

use core::mem::{align_of, offset_of, size_of};

use observer_ebpf::abi::biflow::{
    Assignment, BiflowRecord, Carriage, PointState, Tcp, Trajectory, announced_bit, trajectory_bit,
};
use observer_ebpf::abi::control::{Budget, Control, Prefix};
use observer_ebpf::abi::counter::{COUNTERS, Counter, Loss};
use observer_ebpf::abi::event::{Event, EventKind};
use observer_ebpf::abi::key::{Address, Family, FlowKey, FlowKind, NetworkKey, PairKey};
use observer_ebpf::abi::outer::{OuterFlowRecord, OuterKey, OuterKind};
use observer_ebpf::abi::point::{FlowDirection, Hook, Point, Site};
use observer_ebpf::abi::row::{FragmentRow, ROWS, Row, RttRow, TrafficRecord};
use observer_ebpf::parse::{Malformed, NotOurs};

/// Asserts the size and the offset of each field of a record.
macro_rules! layout {
    ($record:ty, $size:literal, { $($field:ident: $offset:literal),* $(,)? }) => {
        assert_eq!(size_of::<$record>(), $size, stringify!($record));
        $(assert_eq!(
            offset_of!($record, $field), $offset, "{}.{}", stringify!($record), stringify!($field)
        );)*
    };
}

#[test]
fn keys_have_their_layout() {
    layout!(Address, 16, {});
    layout!(FlowKey, 40, {
        low: 0, high: 16, low_port: 32, high_port: 34, protocol: 36, kind: 37, family: 38,
        reserved: 39,
    });
    layout!(PairKey, 32, { low: 0, high: 16 });
    layout!(NetworkKey, 20, { length: 0, octets: 4 });
    layout!(OuterKey, 40, {
        source: 0, destination: 16, session: 32, point: 36, hook: 37, kind: 38, reserved: 39,
    });
    assert_eq!(
        (
            align_of::<FlowKey>(),
            align_of::<OuterKey>(),
            align_of::<NetworkKey>()
        ),
        (8, 8, 4)
    );
}

#[test]
fn values_have_their_layout() {
    layout!(BiflowRecord, 288, {
        assignment: 0, pairs_version: 4, last_seen: 8, announced: 12, trajectory: 16, fresh: 48,
        tcp: 64, points: 96,
    });
    layout!(Trajectory<u64>, 16, { current: 0, previous: 8 });
    layout!(Tcp<u32>, 16, { highest_ack: 0, retransmitted: 4, largest: 8, options: 12 });
    layout!(PointState<u32, u64>, 24, { armed: 0, outer: 16 });
    layout!(OuterFlowRecord, 48, {
        first_seen: 0, last_seen: 8, packets: 16, bytes: 24, fragments: 32, path: 40,
    });
    layout!(TrafficRecord, 32, { buffers: 0, bytes: 8, segments: 16, wireguard_bytes: 24 });
    layout!(FragmentRow<u64>, 16, { inner: 0, first_outer: 8 });
    layout!(RttRow<u32>, 584, { buckets: 0 });
}

#[test]
fn control_and_events_have_their_layout() {
    layout!(Prefix, 32, { value: 0, mask: 16 });
    layout!(Control, 104, {
        cover: 0, epoch: 64, pairs_version: 68, limits: 72, window_shift: 92, rate: 93,
        echo_rate: 94, ports_attached: 95, reserved: 96,
    });
    layout!(Event, 80, {
        time: 0, key: 8, answer: 48, probe: 52, ack: 56, sequence: 60, rtt: 64, length: 68,
        path: 72, kind: 74, point: 75, hook: 76, direction: 77, tcp_flags: 78, reserved: 79,
    });
}

#[test]
fn words_hold_what_they_are_documented_to_hold() {
    assert_eq!(
        Assignment {
            path: 0x0102,
            rate: 3
        }
        .word(),
        0x0003_0102
    );
    assert_eq!(
        Assignment::from_word(0xff03_0102),
        Assignment {
            path: 0x0102,
            rate: 3
        }
    );
    let site = Site {
        point: Point::Underlay2,
        hook: Hook::Egress,
    };
    assert_eq!(trajectory_bit(site, Carriage::Vxlan), 31);
    assert_eq!(announced_bit(site, FlowDirection::HighToLow), 31);
    let first = Site {
        point: Point::Port,
        hook: Hook::Egress,
    };
    assert_eq!(trajectory_bit(first, Carriage::Plain), 1);
    assert_eq!(trajectory_bit(first, Carriage::Vxlan), 3);
    assert_eq!(announced_bit(first, FlowDirection::LowToHigh), 2);
    assert_eq!(
        Row::new(5, Point::Tunnel, FlowDirection::HighToLow).index(),
        87
    );
    assert_eq!(ROWS, 8_192);
}

#[test]
fn numbers_in_records_are_these() {
    assert_eq!((Family::V4 as u8, Family::V6 as u8), (4, 6));
    assert_eq!(
        (FlowKind::Flow as u8, FlowKind::LaterFragments as u8),
        (0, 1)
    );
    assert_eq!(
        [
            EventKind::Announced,
            EventKind::RoundTrip,
            EventKind::Refused
        ]
        .map(|kind| kind as u8),
        [1, 2, 3]
    );
    let kinds = [
        OuterKind::Vxlan,
        OuterKind::WireGuard,
        OuterKind::WireGuardHandshake,
        OuterKind::MarkedTcp,
        OuterKind::LaterFragment,
    ];
    assert_eq!(kinds.map(|kind| kind as u8), [1, 2, 3, 4, 5]);
    let budgets = [
        Budget::Inserts,
        Budget::Announcements,
        Budget::RoundTrips,
        Budget::Wakeups,
        Budget::Messages,
    ];
    assert_eq!(budgets.map(|budget| budget as u32), [0, 1, 2, 3, 4]);
    for (number, point) in Point::ALL.into_iter().enumerate() {
        assert_eq!(point.index(), number);
    }
    assert_eq!((Hook::Ingress as u8, Hook::Egress as u8), (0, 1));
}

#[test]
fn every_counter_has_a_cell_of_its_own() {
    let losses = Loss::ALL.map(|(loss, _)| Counter::Loss(loss).index());
    let not_ours = NotOurs::ALL.map(|(reason, _)| Counter::NotOurs(reason).index());
    let malformed = Malformed::ALL.map(|(reason, _)| Counter::Malformed(reason).index());
    let cells: Vec<u32> = losses
        .into_iter()
        .chain(not_ours)
        .chain(malformed)
        .collect();
    assert_eq!(cells, (0..COUNTERS).collect::<Vec<_>>());
    assert_eq!(COUNTERS, 35);
}

#[test]
fn addresses_lie_in_memory_in_network_order() {
    let mapped = Address::v4([10, 42, 1, 2]);
    let octets = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 42, 1, 2];
    assert_eq!(mapped.octets(), octets);
    assert_eq!(mapped, Address::v6(octets));
    assert_eq!(zerocopy::IntoBytes::as_bytes(&mapped), octets);
    assert!(Address::v4([10, 42, 1, 255]) < Address::v4([10, 42, 2, 0]));
    assert!(Address::v4([255; 4]) < Address::v6([1; 16]));
}
