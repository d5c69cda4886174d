//! Captures that keep only the head of a frame: a packet is what its whole frame makes of it, or is said
//! to be cut and still has the ends that are there.

use observer_ebpf::abi::biflow::Carriage;
use observer_ebpf::abi::key::Address;
use observer_ebpf::fixtures::layers::{self, IPV4, IPV6, TCP, UDP, ethernet, stamped, udp};
use observer_ebpf::fixtures::{self, Expected, Fixture, NODE_A, NODE_B, POD_A, POD_B};
use observer_ebpf::parse::{
    Captured, CapturedHead, Expand, Framing, Malformed, NotOurs, Opaque, Packet, Quote, Rejected,
    TCP_SYN, TimingKind, parse, parse_into,
};

/// The least snap length that pairs of IPv4 are known at, bytes.
const SNAP: usize = 96;

fn head(bytes: &[u8], kept: usize, framing: Framing, expand: Expand) -> Result<Packet, Rejected> {
    let head = CapturedHead {
        bytes: &bytes[..kept.min(bytes.len())],
        length: u32::try_from(bytes.len()).expect("a frame's length"),
    };
    let length = u32::try_from(bytes.len()).expect("a frame's length");
    parse(&head, framing, expand, length)
}

fn whole(fixture: &Fixture, expand: Expand) -> Result<Packet, Rejected> {
    head(
        &fixture.bytes,
        fixture.bytes.len(),
        fixture.place.framing(),
        expand,
    )
}

fn is_cut(packet: &Packet) -> bool {
    packet.missing != 0
}

fn ends(packet: &Packet) -> [Address; 2] {
    [packet.key.low, packet.key.high]
}

/// The addresses that a cut packet may have: the innermost ones that are there.
fn possible_ends(whole: &Packet) -> Vec<[Address; 2]> {
    let mut possible = vec![ends(whole)];
    possible.extend(whole.around().map(|outer| {
        let mut both = [outer.source, outer.destination];
        both.sort();
        both
    }));
    possible
}

/// The kernel parses every frame into the same room.
#[test]
fn a_frame_that_is_none_of_ours_leaves_nothing_of_the_one_before() {
    let frame = ethernet(0x88cc, &[0; 286]);
    let mut packet = Packet {
        missing: 250,
        options_at: 54,
        ..Packet::EMPTY
    };
    let parsed = parse_into(
        &Captured(&frame),
        Framing::Ethernet,
        Expand::Vxlan,
        300,
        &mut packet,
    );
    assert_eq!(parsed, Err(Rejected::NotOurs(NotOurs::EtherType)));
    assert_eq!((packet.missing, packet.options_at), (0, 0));
}

#[test]
fn a_head_says_what_the_whole_frame_says_or_that_it_is_cut() {
    let (mut cut, mut errors) = (0, 0);
    for fixture in fixtures::all() {
        let Expected::Value(_) = fixture.expected else {
            continue;
        };
        for &expand in fixture.place.expansions() {
            let whole = whole(&fixture, expand).expect("a value");
            assert!(!is_cut(&whole), "{}", fixture.name);
            for kept in 0..fixture.bytes.len() {
                let name = format!("{} cut at {kept}", fixture.name);
                match head(&fixture.bytes, kept, fixture.place.framing(), expand) {
                    // Without a whole IP header nothing is known.
                    Err(Rejected::Malformed(_)) if kept < 62 => {}
                    Ok(seen) if is_cut(&seen) => {
                        cut += 1;
                        let is_quote = whole.icmp_error().is_some();
                        assert!(
                            is_quote || possible_ends(&whole).contains(&ends(&seen)),
                            "{name}: {seen:?}"
                        );
                        let is_timed = seen.timing.kind != TimingKind::None;
                        assert!(!is_timed || seen.timing == whole.timing, "{name}: {seen:?}");
                        assert!(seen.length >= whole.length, "{name}: {seen:?}");
                    }
                    Ok(mut seen) => {
                        // Meaningless of a whole packet.
                        seen.identification = whole.identification;
                        assert_eq!(seen, whole, "{name}");
                    }
                    Err(reason) => {
                        errors += 1;
                        eprintln!("{name}: {reason:?}");
                    }
                }
            }
        }
    }
    assert_eq!(errors, 0, "frames of which nothing is known");
    assert!(cut > 1_000, "{cut} heads are cut");
}

/// An inner packet in VXLAN between two nodes, over IPv4.
fn carried(kind: u16, packet: &[u8]) -> Vec<u8> {
    let datagram = udp(51_000, 8_472, &layers::vxlan(0x08, &ethernet(kind, packet)));
    ethernet(
        IPV4,
        &layers::Ipv4::new(NODE_A, NODE_B, UDP).around(&datagram),
    )
}

fn syn() -> Vec<u8> {
    let options = stamped(7, 9);
    let tcp = layers::Tcp {
        flags: TCP_SYN,
        options: &options,
        ..layers::Tcp::default()
    };
    layers::Ipv4::new(POD_A, POD_B, TCP).around(&tcp.around(&[0x61; 40]))
}

fn at(bytes: &[u8], kept: usize) -> Packet {
    head(bytes, kept, Framing::Ethernet, Expand::Vxlan).expect("a packet")
}

#[test]
fn a_tcp_header_in_vxlan_cut_at_96_has_its_ports_and_no_timing() {
    let bytes = carried(IPV4, &syn());
    let (whole, seen) = (at(&bytes, bytes.len()), at(&bytes, SNAP));
    assert_eq!(whole.timing.kind, TimingKind::TcpStamped);
    assert_eq!((seen.key, seen.direction), (whole.key, whole.direction));
    assert_eq!(
        (seen.length, seen.carriage),
        (whole.length, Carriage::Vxlan)
    );
    assert_eq!((seen.timing.kind, is_cut(&seen)), (TimingKind::None, true));
    assert!(!seen.timing.occupies && seen.timing.probe == 0);
    // Flags are byte 13 of the header, which begins at 84.
    assert_eq!(at(&bytes, 97).timing.tcp_flags, 0);
    assert_eq!(at(&bytes, 98).timing.tcp_flags, TCP_SYN);
    // Ports are its first four.
    assert_eq!(at(&bytes, 88).key, whole.key);
    assert_eq!(
        (at(&bytes, 87).key.low_port, at(&bytes, 87).key.high_port),
        ([0; 2], [0; 2])
    );
    // The options end at 116: a byte less, and they time nothing.
    assert_eq!(at(&bytes, 115).timing.kind, TimingKind::None);
    assert!(!is_cut(&at(&bytes, 116)));
    assert_eq!(at(&bytes, 116), whole);
}

#[test]
fn a_datagram_in_vxlan_cut_at_96_has_its_ports_and_a_ping_is_whole() {
    let load = layers::Ipv4::new(POD_A, POD_B, UDP).around(&udp(40_000, 5_351, &[0x6e; 40]));
    let bytes = carried(IPV4, &load);
    let (whole, seen) = (at(&bytes, bytes.len()), at(&bytes, SNAP));
    assert_eq!((seen.key, seen.length), (whole.key, whole.length));
    assert_eq!((seen.opaque, is_cut(&seen)), (Opaque::None, true));
    let ping = layers::Ipv4::new(POD_A, POD_B, layers::ICMP);
    let bytes = carried(IPV4, &ping.around(&layers::echo(8, 7, 1, &[0x70; 56])));
    assert_eq!(at(&bytes, SNAP), at(&bytes, bytes.len()));
}

#[test]
fn a_dns_query_in_vxlan_cut_at_96_is_timed_and_at_95_not() {
    let query = [0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0x6e, 0x6e];
    let load = layers::Ipv4::new(POD_A, POD_B, UDP).around(&udp(40_000, 53, &query));
    let bytes = carried(IPV4, &load);
    let kind = |kept| at(&bytes, kept).timing.kind;
    assert_eq!(
        (kind(96), kind(95)),
        (TimingKind::DnsQuery, TimingKind::None)
    );
}

#[test]
fn an_icmp_error_cut_within_its_quote_is_an_error_between_its_own_ends() {
    let quoted = layers::Ipv4::new(POD_A, POD_B, TCP).around(&[0; 20]);
    let message = [&[3, 4, 0, 0, 0, 0, 5, 0xaa][..], &quoted].concat();
    let bytes = carried(
        IPV4,
        &layers::Ipv4::new([10, 42, 2, 1], POD_A, layers::ICMP).around(&message),
    );
    for (kept, quote) in [(96, Quote::None), (112, Quote::None), (120, Quote::Flow)] {
        let seen = at(&bytes, kept);
        let error = seen.icmp_error().expect("an error");
        assert_eq!((error.quote, error.mtu), (quote, 1_450), "{kept}");
        assert_eq!(is_cut(&seen), quote != Quote::Flow, "{kept}");
    }
}

#[test]
fn wireguard_at_an_underlay_is_known_at_96() {
    let message = layers::wireguard(4, [1, 2, 3, 4], 160);
    let bytes = ethernet(
        IPV4,
        &layers::Ipv4::new(NODE_A, NODE_B, UDP).around(&udp(41_641, 41_641, &message)),
    );
    let seen = at(&bytes, SNAP);
    assert_eq!(seen, at(&bytes, bytes.len()));
    assert_eq!((seen.opaque, is_cut(&seen)), (Opaque::WireGuard, false));
}

#[test]
fn inner_addresses_that_the_capture_lacks_leave_the_outer_flow() {
    let [a, b] = [fixtures::POD_A6, fixtures::POD_B6];
    let inner = layers::Ipv6::new(a, b, TCP).around(&layers::Tcp::default().around(&[0x61; 40]));
    // 50 bytes around the inner frame, 54 of it to the end of the addresses.
    let bytes = carried(IPV6, &inner);
    let (outer, seen) = (at(&bytes, 103), at(&bytes, 104));
    assert_eq!((outer.carriage, is_cut(&outer)), (Carriage::Plain, true));
    assert_eq!(ends(&outer), [NODE_A, NODE_B].map(Address::v4));
    assert_eq!(u16::from_be_bytes(outer.key.high_port), 8_472);
    assert_eq!(outer.length as usize, bytes.len() - 14);
    assert_eq!((seen.carriage, is_cut(&seen)), (Carriage::Vxlan, true));
    assert_eq!(ends(&seen), [a, b].map(|end| Address::v6(end.octets())));
}

#[test]
fn what_the_packet_itself_lacks_is_malformed_though_the_capture_is_cut_too() {
    // 12 bytes of TCP in the inner packet, and padding behind it on the wire.
    let inner = layers::Ipv4::new(POD_A, POD_B, TCP)
        .around(&[0x9c, 0x40, 0x1f, 0x90, 0, 0, 0, 1, 0, 0, 0, 0]);
    let mut bytes = carried(IPV4, &inner);
    bytes.resize(160, 0);
    for kept in [92, SNAP, 120, 160] {
        let seen = head(&bytes, kept, Framing::Ethernet, Expand::Vxlan);
        assert_eq!(seen, Err(Malformed::TcpShort.into()), "{kept}");
    }
}
