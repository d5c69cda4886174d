//! Sizes and offsets of every record that crosses the kernel's border, as literals.

use core::mem::{align_of, offset_of, size_of};

use observer_ebpf::abi::announced::AnnouncedKey;
use observer_ebpf::abi::biflow::{
    Assignment, BiflowRecord, Carriage, PointState, Tcp, TcpOptions, Trajectory, announced_bit,
    trajectory_bit,
};
use observer_ebpf::abi::control::{Budget, Control, Cover, Prefix};
use observer_ebpf::abi::counter::Own;
use observer_ebpf::abi::counter::{COUNTERS, Counter, Loss};
use observer_ebpf::abi::drop::{DropKey, DropRecord, DropRules, Offsets, Stretch};
use observer_ebpf::abi::event::{Event, EventKind};
use observer_ebpf::abi::fragment::{FirstFragment, FragmentKey};
use observer_ebpf::abi::key::{Address, Family, FlowKey, FlowKind, NetworkKey, PairKey};
use observer_ebpf::abi::outer::{OuterFlowRecord, OuterKey, OuterKind};
use observer_ebpf::abi::point::{FlowDirection, Hook, Point, Site};
use observer_ebpf::abi::relay::{RELAYS, RelayKey};
use observer_ebpf::abi::row::{FragmentRow, ROWS, Row, RttRow, TrafficRecord};
use observer_ebpf::abi::wire::WireRecord;
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
        source: 0, destination: 16, session: 32, point: 36, hook: 37, kind: 38, marked: 39,
    });
    layout!(FragmentKey, 40, {
        source: 0, destination: 16, identification: 32, protocol: 36, family: 37, reserved: 38,
    });
    layout!(RelayKey, 24, { address: 0, port: 16, reserved: 20 });
    layout!(DropKey, 12, { ifindex: 0, reason: 4, path: 8, place: 10, direction: 11 });
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
    layout!(BiflowRecord, 296, {
        assignment: 0, pairs_version: 4, last_seen: 8, announced: 12, trajectory: 16, fresh: 48,
        points: 64, tcp: 256, reserved: 288,
    });
    layout!(WireRecord, 256, {
        packets: 0, bytes: 8, buffers: 16, segments: 24, segment_bytes: 32, noted: 40, unmet: 48,
        delayed: 56, delays: 64,
    });
    layout!(Trajectory<u64>, 16, { current: 0, previous: 8 });
    layout!(Tcp<u32>, 16, { highest_ack: 0, retransmitted: 4, largest: 8, options: 12 });
    layout!(PointState<u32, u64>, 24, { armed: 0, outer: 16 });
    layout!(OuterFlowRecord, 48, {
        first_seen: 0, last_seen: 8, packets: 16, bytes: 24, fragments: 32, path: 40,
    });
    layout!(TrafficRecord, 32, { buffers: 0, bytes: 8, segments: 16, wireguard_bytes: 24 });
    layout!(FragmentRow<u64>, 16, { inner: 0, first_outer: 8 });
    layout!(FirstFragment, 8, {
        source_port: 0, destination_port: 2, protocol: 4,
    });
    layout!(RttRow<u32>, 584, { buckets: 0 });
    layout!(AnnouncedKey, 24, { sender: 0, mtu: 16, path: 20, direction: 22, reserved: 23 });
    layout!(DropRecord, 24, { packets: 0, bytes: 8, largest: 16, mtu: 20 });
}

#[test]
fn control_and_events_have_their_layout() {
    layout!(Control, 64, {
        cover: 0, epoch: 24, pairs_version: 28, limits: 32, window_shift: 52, rate: 53,
        echo_rate: 54, ports_attached: 55, relays: 56, paths_full: 60,
    });
    layout!(Own<u64>, 1760, { counters: 0, tunnel: 368, packet: 384, head: 560, inner: 1584 });
    layout!(DropRules, 344, {
        stretches: 0, too_big: 256, unspecified: 260, netns: 264, offsets: 268, reserved: 340,
    });
    layout!(Stretch, 16, { start: 0, length: 8, place: 12 });
    layout!(Offsets, 72, {
        skb_len: 0, skb_data_len: 4, skb_data: 8, skb_head: 12, skb_network: 16, skb_end: 20,
        skb_dev: 24, skb_dst: 28, gso_size: 32, dst_dev: 36, dev_ifindex: 40, dev_mtu: 44,
        dev_header: 48, dev_net: 52, dev_ops: 56, dev_private: 60, ops_kind: 64, net_inode: 68,
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
            rate: 3,
            flags: Assignment::ENTERS_ELSEWHERE,
        }
        .word(),
        0x0203_0102
    );
    assert_eq!(
        Assignment::from_word(0x0103_0102),
        Assignment {
            path: 0x0102,
            rate: 3,
            flags: Assignment::TURNED,
        }
    );
    let options = TcpOptions {
        mss: 0x0578,
        window_scale: 7,
        flags: TcpOptions::MSS | TcpOptions::SACK_BLOCKS,
    };
    assert_eq!(options.word(), 0x0907_0578);
    assert_eq!(TcpOptions::from_word(0x0907_0578), options);
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
        [
            FlowKind::Flow,
            FlowKind::LaterFragments,
            FlowKind::IcmpError
        ]
        .map(|kind| kind as u8),
        [0, 1, 2]
    );
    assert_eq!(
        [
            EventKind::Announced,
            EventKind::RoundTrip,
            EventKind::Refused,
            EventKind::Dropped,
        ]
        .map(|kind| kind as u8),
        [1, 2, 3, 4]
    );
    let kinds = [
        OuterKind::Vxlan,
        OuterKind::WireGuard,
        OuterKind::WireGuardHandshake,
        OuterKind::MarkedTcp,
        OuterKind::LaterFragment,
        OuterKind::RelayTcp,
        OuterKind::PeerRelay,
        OuterKind::PeerRelayControl,
        OuterKind::Disco,
        OuterKind::OverlayWireGuard,
        OuterKind::OverlayControl,
        OuterKind::Stun,
    ];
    let numbers = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
    assert_eq!(kinds.map(|kind| kind as u8), numbers);
    assert_eq!(RELAYS, 256);
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
    assert_eq!(COUNTERS, 46);
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

#[test]
fn a_cover_holds_its_prefixes_and_nothing_of_the_other_family() {
    let prefix = |value, mask| Prefix { value, mask };
    let pods = prefix(Address::v4([10, 42, 0, 0]), v6_mask(96 + 16));
    let mut fd42 = [0; 16];
    fd42[..2].copy_from_slice(&[0xfd, 0x42]);
    let pods6 = prefix(Address::v6(fd42), v6_mask(16));
    let both = Cover::of(&pods, &pods6);
    let mut inside = fd42;
    inside[15] = 1;
    for (address, held) in [
        (Address::v4([10, 42, 255, 1]), true),
        (Address::v4([10, 43, 0, 1]), false),
        (Address::v6(inside), true),
        (Address::v6([0xfe; 16]), false),
    ] {
        assert_eq!(both.holds(&address), held, "{address:?}");
        assert!(!Cover::of(&Prefix::NONE, &Prefix::NONE).holds(&address));
    }
    let ipv4 = Cover::of(&pods, &Prefix::NONE);
    assert!(ipv4.holds(&Address::v4([10, 42, 0, 1])) && !ipv4.holds(&Address::v6(inside)));
}

fn v6_mask(bits: u32) -> Address {
    Address::v6(u128::MAX.checked_shl(128 - bits).unwrap_or(0).to_be_bytes())
}
