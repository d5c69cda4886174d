//! Every fixture parses to its expectation, also when it is cut at any length, and together they
//! cover every header kind with every outcome.

use std::collections::HashSet;

use observer_ebpf::abi::key::Address;
use observer_ebpf::fixtures::{self, Expected, Fixture};
use observer_ebpf::parse::{
    Captured, Expand, Fragment, Framing, KERNEL_DEPTH, Malformed, Nest, NotOurs, Packet, Rejected,
    Window, descend, finish, parse, parse_into,
};
use observer_ebpf::step::{Frame, size};

/// Frames for which the windows are there.
const USUAL: [&str; 4] = [
    "tcp_data_ends_behind_its_payload",
    "vxlan_gives_the_inner_flow",
    "vxlan_on_a_tunnel_begins_at_0",
    "wireguard_data_names_its_session",
];

/// Parses the first `cut` bytes of a fixture as a frame of `length` bytes.
fn seen(fixture: &Fixture, expand: Expand, cut: usize, length: usize) -> Result<Packet, Rejected> {
    let length = u32::try_from(length).expect("a frame's length");
    let bytes = Captured(&fixture.bytes[..cut]);
    let mut packet = parse(&bytes, fixture.place.framing(), expand, length)?;
    let nest = Nest {
        length,
        packet: &mut packet,
        inner: &mut Packet::EMPTY.clone(),
        bytes,
    };
    descend(nest, KERNEL_DEPTH, is_carrier);
    finish(&bytes, &mut packet)?;
    Ok(without_meaningless(packet))
}

/// As the step says where pods have 10.42.0.0/16 and nodes nothing of it.
fn is_carrier(packet: &Packet) -> bool {
    let is_pods = |address: &Address| address.octets()[12..14] == [10, 42];
    packet.beyond != 0 && !is_pods(&packet.key.low) && !is_pods(&packet.key.high)
}

/// True of a carrier inside which the cut was.
fn is_cut_inside(packet: &Result<Packet, Rejected>) -> bool {
    let is_cut = |packet: &Packet| packet.beyond != 0 && packet.too_deep;
    packet.as_ref().is_ok_and(is_cut)
}

/// The identification of a whole packet means nothing.
fn without_meaningless(mut packet: Packet) -> Packet {
    if packet.fragment == Fragment::None {
        packet.identification = 0;
    }
    packet
}

/// What the fixture must give.
fn wanted(fixture: &Fixture) -> Result<Packet, Rejected> {
    match &fixture.expected {
        Expected::Value(value) => Ok(value.packet()),
        Expected::NotOurs(reason) => Err(Rejected::NotOurs(*reason)),
        Expected::Malformed(reason) => Err(Rejected::Malformed(*reason)),
    }
}

fn check(mut each: impl FnMut(&Fixture, Expand)) {
    for fixture in fixtures::all() {
        for &expand in fixture.place.expansions() {
            each(&fixture, expand);
        }
    }
}

#[test]
fn every_fixture_parses_to_its_expectation() {
    let mut wrong = Vec::new();
    check(|fixture, expand| {
        let length = fixture.bytes.len();
        let (seen, wanted) = (seen(fixture, expand, length, length), wanted(fixture));
        if seen != wanted {
            wrong.push(format!(
                "{} {expand:?}\n   seen {seen:?}\n wanted {wanted:?}",
                fixture.name
            ));
        }
    });
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// What a window of `N` bytes makes of a frame; none if it is not usual.
fn through_window<const N: usize>(frame: &Fixture, expand: Expand) -> Option<Packet> {
    let mut packet = Packet::EMPTY;
    let window = Window(frame.bytes.first_chunk::<N>()?);
    let framing = frame.place.framing();
    parse_into(&window, framing, expand, frame.length(), &mut packet).ok()?;
    Some(without_meaningless(packet))
}

#[test]
fn a_window_makes_of_a_frame_what_the_whole_frame_makes_or_nothing() {
    let mut usual = HashSet::new();
    check(|fixture, expand| {
        let mut padded = fixture.clone();
        // Short frames are padded on a wire too; so each of them fills a window.
        padded.bytes.resize(fixture.bytes.len().max(120), 0);
        for frame in [fixture, &padded] {
            let length = frame.bytes.len();
            let whole = seen(frame, expand, length, length).ok();
            for packet in [
                through_window::<66>(frame, expand),
                through_window::<102>(frame, expand),
                through_window::<116>(frame, expand),
            ] {
                if packet.is_some() {
                    usual.insert(frame.name);
                    assert_eq!(packet, whole, "{} {expand:?}", frame.name);
                }
            }
        }
    });
    for name in USUAL {
        assert!(usual.contains(name), "{name} is the usual packet");
    }
}

#[test]
fn every_fixture_counts_its_wire_packets() {
    for fixture in fixtures::all() {
        if let Expected::Value(value) = &fixture.expected {
            let frame = Frame {
                length: fixture.length(),
                gso_size: fixture.gso_size,
                mark: fixture.mark,
            };
            let size = size(&value.packet(), frame);
            assert_eq!(size, value.size(), "{}", fixture.name);
        }
    }
}

/// A capture that kept only the head: the headers say the same or cannot be read.
#[test]
fn a_cut_capture_of_the_true_length_says_the_same_or_malformed() {
    check(|fixture, expand| {
        let (length, whole) = (fixture.bytes.len(), wanted(fixture));
        for cut in 0..length {
            match (seen(fixture, expand, cut, length), &whole) {
                (Err(Rejected::Malformed(_)), _) => {}
                (seen, _) if is_cut_inside(&seen) => {}
                (seen, _) => assert_eq!(seen, whole, "{} cut at {cut}", fixture.name),
            }
        }
    });
}

/// A frame that really is that short: its own lengths betray it, unless they follow the frame's.
#[test]
fn a_frame_cut_short_is_the_same_packet_or_malformed() {
    check(|fixture, expand| {
        let whole = wanted(fixture);
        for cut in 0..fixture.bytes.len() {
            match (seen(fixture, expand, cut, cut), &whole) {
                (Err(Rejected::Malformed(_)), _) => {}
                (seen, _) if is_cut_inside(&seen) => {}
                (Ok(seen), Ok(whole)) => {
                    assert_eq!(seen.key, whole.key, "{} cut at {cut}", fixture.name);
                    assert_eq!(
                        seen.direction, whole.direction,
                        "{} cut at {cut}",
                        fixture.name
                    );
                    assert!(seen.length <= whole.length, "{} cut at {cut}", fixture.name);
                }
                (seen, _) => assert_eq!(seen, whole, "{} cut at {cut}", fixture.name),
            }
        }
    });
}

#[test]
fn every_reason_has_a_fixture() {
    let reasons: Vec<_> = fixtures::all()
        .iter()
        .filter_map(|fixture| wanted(fixture).err())
        .collect();
    for (reason, name) in NotOurs::ALL {
        assert!(reasons.contains(&Rejected::NotOurs(reason)), "{name}");
    }
    for (reason, name) in Malformed::ALL {
        assert!(reasons.contains(&Rejected::Malformed(reason)), "{name}");
    }
}

#[test]
fn the_cover_of_header_kinds_and_outcomes_is_complete() {
    let all = fixtures::all();
    let (table, missing) = fixtures::cover_table(&all);
    println!("{} fixtures\n{table}", all.len());
    assert!(
        missing.is_empty(),
        "cells that no fixture fills or that were declared empty:\n{missing}"
    );
}

#[test]
fn names_are_unique() {
    let all = fixtures::all();
    let names: HashSet<_> = all.iter().map(|fixture| fixture.name).collect();
    assert_eq!(names.len(), all.len());
    assert!(all.len() >= 40);
}

/// Read without its options, this packet has another UDP header of a credible length.
#[test]
fn a_window_does_not_take_options_for_a_transport_header() {
    let mut bytes = vec![0; 120];
    bytes[12..14].copy_from_slice(&[0x08, 0x00]);
    bytes[14..18].copy_from_slice(&[0x46, 0, 0, 106]);
    bytes[23] = 17;
    bytes[26..34].copy_from_slice(&[10, 42, 1, 5, 10, 42, 2, 7]);
    bytes[34..38].copy_from_slice(&[1, 1, 1, 1]);
    bytes[38..46].copy_from_slice(&[0, 20, 0x1f, 0x90, 0, 82, 0, 0]);
    let whole = parse(&Captured(&bytes), Framing::Ethernet, Expand::No, 120).expect("a datagram");
    assert_eq!((whole.key.low_port, whole.payload_offset), ([0, 20], 46));
    let mut packet = Packet::EMPTY;
    let window = Window(bytes.first_chunk::<66>().expect("120 bytes"));
    let usual = parse_into(&window, Framing::Ethernet, Expand::No, 120, &mut packet);
    assert!(usual.is_err(), "{packet:?}");
}
