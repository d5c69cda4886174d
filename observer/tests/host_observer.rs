//! The host observer alone, without root: it counts every fixture as named, and what it refuses.

use observer::host::{HostObserver, Seen, Sizes};
use observer_ebpf::abi::control::{Control, Cover, Prefix};
use observer_ebpf::abi::counter::{Counter, Loss};
use observer_ebpf::abi::key::{Address, NetworkKey};
use observer_ebpf::abi::point::{Hook, Point, Site};
use observer_ebpf::fixtures::nesting::{Carrier, nested};
use observer_ebpf::fixtures::{self, Expected, Fixture, Place, layers};
use observer_ebpf::parse::{Framing, KERNEL_DEPTH, Malformed, NotOurs, Packet, Rejected};
use observer_ebpf::step::{Unread, refuse, tell_unread};
use observer_ebpf::units::Monotonic;

/// Every address may be a pod's, budgets that no test spends.
fn observer(sizes: Sizes) -> HostObserver {
    let everything = Prefix {
        value: Address::UNSPECIFIED,
        mask: Address::UNSPECIFIED,
    };
    let control = Control {
        cover: Cover::of(&everything, &everything),
        epoch: 1,
        pairs_version: 1,
        limits: [1_000; 5],
        ..Control::default()
    };
    let mut observer = HostObserver::new(sizes, control);
    observer.networks = vec![NetworkKey {
        length: 96 + 16,
        octets: Address::v4([10, 42, 0, 0]).octets(),
    }];
    observer
}

fn show(observer: &HostObserver, site: Site, fixture: &Fixture, time: u64) {
    observer.observe_frame(&Seen {
        site,
        framing: fixture.place.framing(),
        bytes: &fixture.bytes,
        length: fixture.length(),
        gso_size: fixture.gso_size,
        mark: fixture.mark,
        time: Monotonic(time),
    });
}

#[test]
fn every_fixture_counts_as_named_at_each_of_its_sites() {
    for fixture in fixtures::all() {
        for site in fixture.place.sites() {
            let mut observer = observer(Sizes::default());
            observer.depth = KERNEL_DEPTH;
            show(&observer, site, &fixture, 1_000_000);
            let rows: Vec<_> = observer
                .traffic()
                .map(|(_, row)| (row.buffers, row.bytes, row.segments))
                .collect();
            let count = |counter| observer.counter(counter);
            match &fixture.expected {
                Expected::Value(value) => {
                    let size = value.size();
                    assert_eq!(rows, [(1, size.bytes, size.segments)], "{}", fixture.name);
                }
                Expected::NotOurs(reason) => {
                    assert_eq!(count(Counter::NotOurs(*reason)), 1, "{}", fixture.name);
                    assert!(rows.is_empty(), "{}", fixture.name);
                }
                Expected::Malformed(reason) => {
                    assert_eq!(count(Counter::Malformed(*reason)), 1, "{}", fixture.name);
                    assert!(rows.is_empty(), "{}", fixture.name);
                }
            }
            assert_eq!(count(Loss::Frames.into()), 1, "{}", fixture.name);
        }
    }
}

#[test]
fn a_full_observer_refuses_and_counts() {
    let small = observer(Sizes {
        biflows: 1,
        outer_flows: 0,
        events: 1,
    });
    let carried: Vec<_> = fixtures::all()
        .into_iter()
        .filter(|fixture| fixture.place == Place::Underlay && fixture.name.starts_with("inner_"))
        .filter(|fixture| matches!(fixture.expected, Expected::Value(_)))
        .collect();
    for fixture in &carried {
        show(&small, fixture.place.sites()[0], fixture, 1_000_000);
    }
    let count = |loss: Loss| small.counter(loss.into());
    assert_eq!((small.biflows().count(), small.take_events().len()), (1, 1));
    assert!(count(Loss::InsertRefused) > 0 && count(Loss::OuterFlowsFull) > 0);
    let buffers: u64 = small.traffic().map(|(_, row)| row.buffers).sum();
    assert_eq!(
        buffers,
        carried.len() as u64,
        "traffic is exact whatever is refused"
    );
}

#[test]
fn the_same_frames_leave_the_same_records() {
    let run = || {
        let observer = observer(Sizes::default());
        for (time, fixture) in (1..).zip(fixtures::all()) {
            for site in fixture.place.sites() {
                show(&observer, site, &fixture, time * 1_000_000);
            }
        }
        let flows: Vec<_> = observer.biflows().collect();
        let rows: Vec<_> = observer.traffic().collect();
        format!(
            "{flows:?} {rows:?} {:?} {:?}",
            observer.counters(),
            observer.take_events()
        )
    };
    assert_eq!(run(), run());
}

/// 200 datagrams of 50 bytes: as many as are looked at, and the rest.
#[test]
fn datagrams_beyond_the_bound_count_on_the_first_ones_path_and_in_the_ledger() {
    let observer = observer(Sizes::default());
    let header = layers::Ipv4 {
        fragmentation: 0x2000,
        ..layers::Ipv4::new(fixtures::POD_A, fixtures::POD_B, layers::UDP)
    };
    let packet = header.around(&layers::udp(40_000, 5_201, &[]));
    let each = layers::vxlan(0x08, &layers::ethernet(layers::IPV4, &packet));
    let datagram = layers::udp(51_000, 8_472, &each.repeat(200));
    let outer = layers::Ipv4::new(fixtures::TAIL_A, fixtures::TAIL_B, layers::UDP);
    let bytes = outer.around(&datagram);
    observer.observe_frame(&Seen {
        site: Site {
            point: Point::Tunnel,
            hook: Hook::Ingress,
        },
        framing: Place::Tunnel.framing(),
        bytes: &bytes,
        length: u32::try_from(bytes.len()).expect("a frame's length"),
        gso_size: 50,
        mark: 0,
        time: Monotonic(1_000_000),
    });
    let rows: Vec<_> = observer.traffic().collect();
    let [(_, row)] = &rows[..] else {
        panic!("one row: {rows:?}");
    };
    assert_eq!((row.buffers, row.bytes, row.segments), (1, 200 * 28, 200));
    let fragments: Vec<_> = observer.fragments().map(|(_, row)| row.inner).collect();
    assert_eq!(fragments, [128]);
    assert_eq!(observer.counter(Loss::DatagramsHidden.into()), 72);
}

#[test]
fn a_frame_whose_headers_cannot_be_read_is_counted_for_that_alone_and_told() {
    let observer = observer(Sizes::default());
    let cell = refuse(&observer, Loss::HeadersUnreadable.into());
    let site = Site {
        point: Point::Bridge,
        hook: Hook::Ingress,
    };
    let unread = Unread {
        cell,
        ifindex: 7,
        length: 900,
        site,
    };
    tell_unread(&observer, &unread);
    let losses = Loss::ALL.map(|(loss, _)| Counter::Loss(loss));
    let lies = Malformed::ALL.map(|(reason, _)| Counter::Malformed(reason));
    let others = NotOurs::ALL.map(|(reason, _)| Counter::NotOurs(reason));
    let all = losses.into_iter().chain(lies).chain(others);
    let counted: Vec<_> = all.filter(|&cell| observer.counter(cell) > 0).collect();
    let wanted = [Loss::Frames, Loss::HeadersUnreadable].map(Counter::Loss);
    assert_eq!(counted, wanted);
    let told: Vec<_> = observer
        .take_events()
        .iter()
        .map(|event| event.probe)
        .collect();
    assert_eq!(told, [Loss::HeadersUnreadable as u32]);
}

/// What the observer reads of a frame at an underlay.
fn read(bytes: &[u8]) -> Result<Packet, Rejected> {
    observer(Sizes::default()).read(&Seen {
        site: Site {
            point: Point::Underlay0,
            hook: Hook::Egress,
        },
        framing: Framing::Ethernet,
        bytes,
        length: u32::try_from(bytes.len()).expect("a frame's length"),
        gso_size: 0,
        mark: 0,
        time: Monotonic(1),
    })
}

/// Carriers of both families in all orders, the number being their depth.
fn carriers(depth: u8) -> impl Iterator<Item = Vec<Carrier>> {
    let one = |number: u8, orders: u8| {
        if orders >> number & 1 == 0 {
            Carrier::V4(number + 1)
        } else {
            Carrier::V6(u16::from(number) + 1)
        }
    };
    (0..1_u8 << depth).map(move |orders| (0..depth).map(|number| one(number, orders)).collect())
}

fn header_bytes(carrier: Carrier) -> u32 {
    match carrier {
        Carrier::V4(_) => 50,
        Carrier::V6(_) => 70,
    }
}

#[test]
fn four_vxlan_headers_are_followed_and_a_fifth_is_too_deep() {
    let plain = fixtures::named("tcp_data_ends_behind_its_payload").expect("a fixture");
    let alone = read(&plain.bytes).expect("a segment");
    for carriers in (1..=4).flat_map(carriers) {
        let packet = read(&nested(&carriers, &plain.bytes)).expect("a segment");
        let around: u32 = carriers.iter().copied().map(header_bytes).sum();
        let within = packet.around().expect("VXLAN around").within;
        let expected = (carriers.len() - 1, around - header_bytes(carriers[0]));
        assert_eq!(
            (within.layers() as usize, within.bytes()),
            expected,
            "{carriers:?}"
        );
        let offsets = [packet.network_offset, packet.payload_offset];
        let [network, payload] = [alone.network_offset, alone.payload_offset];
        assert_eq!(
            offsets,
            [network + around, payload + around],
            "{carriers:?}"
        );
        let inner = Packet {
            network_offset: network,
            payload_offset: payload,
            carriage: alone.carriage,
            outer: alone.outer,
            ..packet
        };
        assert_eq!(inner, alone, "{carriers:?}");
    }
    for carriers in carriers(5) {
        let packet = read(&nested(&carriers, &plain.bytes)).expect("a carrier");
        assert!(packet.too_deep && packet.beyond != 0, "{carriers:?}");
        assert_eq!(packet.around().map(|outer| outer.within.layers()), Some(3));
        let inner = alone.length + header_bytes(carriers[4]);
        assert_eq!(packet.length, inner, "{carriers:?}");
    }
}

#[test]
fn a_lie_at_any_depth_leaves_the_carrier_around_it() {
    for carriers in (2..=4).flat_map(carriers) {
        let whole = nested(&carriers, &[0x5a; 13]);
        let packet = read(&whole).expect("a carrier");
        let followed = carriers.len() - 2;
        let within = packet.around().expect("VXLAN around").within;
        assert!(packet.too_deep, "{carriers:?}");
        assert_eq!(within.layers() as usize, followed, "{carriers:?}");
        assert_eq!(packet.beyond as usize, whole.len() - 13, "{carriers:?}");
    }
}
