//! Properties of the parser: what is built is found again, and no bytes make it panic.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use observer_ebpf::abi::biflow::Carriage;
use observer_ebpf::abi::key::{Address, Endpoint, Family, FlowKey, FlowKind};
use observer_ebpf::fixtures::layers::{self, IPV4, IPV6, TCP, Tcp, UDP, ethernet, udp};
use observer_ebpf::parse::{
    Captured, Expand, Fragment, Framing, Packet, TCP_FIN, TCP_SYN, TimingKind, parse,
};
use observer_ebpf::step::{Frame, size};
use proptest::prelude::*;

/// What a frame is built from.
#[derive(Clone, Debug)]
struct Blueprint {
    ends: (IpAddr, IpAddr),
    ports: (u16, u16),
    sequence: u32,
    ack: u32,
    flags: u8,
    stamps: Option<(u32, u32)>,
    lead: Vec<u8>,
    payload: Vec<u8>,
    is_tcp: bool,
    around: Option<(IpAddr, IpAddr, u16)>,
    framing: Framing,
}

fn ends() -> impl Strategy<Value = (IpAddr, IpAddr)> {
    // Few addresses, so that equal ends are met.
    let v4 = |last: u8| IpAddr::V4(Ipv4Addr::new(10, 42, 1, last));
    let v6 = |last: u8| IpAddr::V6(Ipv6Addr::new(0xfd42, 0, 0, 0, 0, 0xffff, 1, last.into()));
    prop_oneof![
        (0..3_u8, 0..3_u8).prop_map(move |(a, b)| (v4(a), v4(b))),
        (0..3_u8, 0..3_u8).prop_map(move |(a, b)| (v6(a), v6(b))),
        (any::<[u8; 4]>(), any::<[u8; 4]>()).prop_map(|(a, b)| (a.into(), b.into())),
        (any::<[u8; 16]>(), any::<[u8; 16]>()).prop_map(|(a, b)| (a.into(), b.into())),
    ]
}

/// Options before the timestamps: NOPs, MSS, window scale, SACK permitted, SACK blocks.
fn lead() -> impl Strategy<Value = Vec<u8>> {
    let option = prop_oneof![
        Just(vec![1]),
        Just(vec![2, 4, 5, 0x78]),
        Just(vec![3, 3, 7]),
        Just(vec![4, 2]),
        Just(vec![5, 10, 1, 2, 3, 4, 5, 6, 7, 8]),
    ];
    proptest::collection::vec(option, 0..5)
        .prop_map(|options| options.concat())
        .prop_filter("room for the timestamps", |options| options.len() <= 30)
}

fn blueprint() -> impl Strategy<Value = Blueprint> {
    let framing = prop_oneof![Just(Framing::Ethernet), Just(Framing::Ip)];
    (
        (
            ends(),
            (0..4_u16, 0..4_u16),
            any::<u32>(),
            any::<u32>(),
            any::<u8>(),
        ),
        (proptest::option::of(any::<(u32, u32)>()), lead()),
        (
            proptest::collection::vec(any::<u8>(), 0..200),
            any::<bool>(),
        ),
        (proptest::option::of((ends(), any::<u16>())), framing),
    )
        .prop_map(|(head, options, body, link)| Blueprint {
            ends: head.0,
            ports: head.1,
            sequence: head.2,
            ack: head.3,
            flags: head.4,
            stamps: options.0,
            lead: options.1,
            payload: body.0,
            is_tcp: body.1,
            around: link
                .0
                .map(|((source, destination), port)| (source, destination, port)),
            framing: link.1,
        })
}

impl Blueprint {
    fn options(&self) -> Vec<u8> {
        let mut options = self.lead.clone();
        if let Some((value, echo)) = self.stamps {
            options.extend(layers::timestamps(value, echo));
        }
        options.resize(options.len().next_multiple_of(4), 0);
        options
    }

    fn packet(&self) -> (u16, Vec<u8>) {
        let load = if self.is_tcp {
            Tcp {
                source: self.ports.0,
                destination: self.ports.1,
                sequence: self.sequence,
                ack: self.ack,
                flags: self.flags,
                options: &self.options(),
                words: None,
            }
            .around(&self.payload)
        } else {
            udp(self.ports.0, self.ports.1, &self.payload)
        };
        network(self.ends, if self.is_tcp { TCP } else { UDP }, &load)
    }

    fn frame(&self) -> Vec<u8> {
        let (kind, packet) = self.packet();
        let (kind, packet) = match self.around {
            None => (kind, packet),
            Some((source, destination, port)) => {
                let load = layers::vxlan(0x08, &ethernet(kind, &packet));
                network((source, destination), UDP, &udp(port, 8_472, &load))
            }
        };
        match self.framing {
            Framing::Ethernet => ethernet(kind, &packet),
            Framing::Ip => packet,
        }
    }

    fn key(&self) -> FlowKey {
        let end = |address, port| Endpoint {
            address: mapped(address),
            port,
        };
        let family = if self.ends.0.is_ipv4() {
            Family::V4
        } else {
            Family::V6
        };
        let protocol = if self.is_tcp { TCP } else { UDP };
        let (source, destination) = (
            end(self.ends.0, self.ports.0),
            end(self.ends.1, self.ports.1),
        );
        FlowKey::canonical(source, destination, protocol, (FlowKind::Flow, family)).0
    }
}

fn network(ends: (IpAddr, IpAddr), protocol: u8, load: &[u8]) -> (u16, Vec<u8>) {
    match ends {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let header = layers::Ipv4::new(source.octets(), destination.octets(), protocol);
            (IPV4, header.around(load))
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => (
            IPV6,
            layers::Ipv6::new(source, destination, protocol).around(load),
        ),
        _ => unreachable!("both ends are of one family"),
    }
}

fn mapped(address: IpAddr) -> Address {
    match address {
        IpAddr::V4(address) => Address::v4(address.octets()),
        IpAddr::V6(address) => Address::v6(address.octets()),
    }
}

fn read(blueprint: &Blueprint) -> Packet {
    let frame = blueprint.frame();
    let length = u32::try_from(frame.len()).expect("a frame's length");
    parse(&Captured(&frame), blueprint.framing, Expand::Vxlan, length).expect("a right frame")
}

const fn frame(length: u32, gso_size: u32) -> Frame {
    Frame {
        length,
        gso_size,
        mark: 0,
    }
}

proptest! {
    #[test]
    fn what_is_built_is_found_again(blueprint in blueprint()) {
        let packet = read(&blueprint);
        prop_assert_eq!(packet.key, blueprint.key());
        prop_assert_eq!(
            packet.key.ends(packet.direction),
            (mapped(blueprint.ends.0), mapped(blueprint.ends.1))
        );
        prop_assert!((packet.key.low, packet.key.low_port) <= (packet.key.high, packet.key.high_port));
        prop_assert_eq!(packet.length as usize, blueprint.packet().1.len());
        prop_assert_eq!(packet.fragment, Fragment::None);
        prop_assert_eq!(packet.payload_offset as usize + blueprint.payload.len(), blueprint.frame().len());
        let around = packet.around().map(|outer| (outer.source, outer.destination));
        prop_assert_eq!(around, blueprint.around.map(|(a, b, _)| (mapped(a), mapped(b))));
        prop_assert_eq!(packet.carriage == Carriage::Vxlan, blueprint.around.is_some());
    }

    #[test]
    fn timestamps_and_sequence_space_are_found_again(blueprint in blueprint()) {
        let (packet, blueprint) = (read(&blueprint), blueprint);
        let timing = packet.timing;
        if !blueprint.is_tcp {
            prop_assert_eq!(timing.kind, TimingKind::None);
            return Ok(());
        }
        let control = [TCP_SYN, TCP_FIN].iter().filter(|&&flag| blueprint.flags & flag != 0).count();
        let occupied = u32::try_from(blueprint.payload.len() + control).expect("a small payload");
        prop_assert_eq!(timing.sequence_end, blueprint.sequence.wrapping_add(occupied));
        prop_assert_eq!(timing.occupies, occupied > 0);
        prop_assert_eq!((timing.ack, timing.tcp_flags), (blueprint.ack, blueprint.flags));
        let stamps = (timing.kind == TimingKind::TcpStamped).then_some((timing.probe, timing.answer));
        prop_assert_eq!(stamps, blueprint.stamps);
    }

    #[test]
    fn both_directions_share_one_key(blueprint in blueprint()) {
        let mut back = blueprint.clone();
        back.ends = (blueprint.ends.1, blueprint.ends.0);
        back.ports = (blueprint.ports.1, blueprint.ports.0);
        let (there, back) = (read(&blueprint), read(&back));
        prop_assert_eq!(there.key, back.key);
        let to_itself = blueprint.ends.0 == blueprint.ends.1 && blueprint.ports.0 == blueprint.ports.1;
        prop_assert_eq!(there.direction == back.direction.reverse(), !to_itself);
    }

    #[test]
    fn segments_of_an_aggregate_carry_all_bytes(blueprint in blueprint(), gso_size in 1..400_u32) {
        let packet = read(&blueprint);
        let length = u32::try_from(blueprint.frame().len()).expect("a frame's length");
        let payload = blueprint.payload.len() as u64;
        let headers = u64::from(packet.length) - payload;
        let size = size(&packet, frame(length, gso_size));
        prop_assert_eq!(size.bytes, payload + size.segments * headers);
        prop_assert!(size.segments >= 1 && (size.segments - 1) * u64::from(gso_size) <= payload);
        prop_assert!(size.segments * u64::from(gso_size) >= payload);
    }

    #[test]
    fn no_bytes_make_the_parser_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..256),
        length in any::<u32>(),
        gso_size in any::<u32>(),
    ) {
        for framing in [Framing::Ethernet, Framing::Ip] {
            for expand in [Expand::No, Expand::Vxlan] {
                if let Ok(packet) = parse(&Captured(&bytes), framing, expand, length) {
                    let size = size(&packet, frame(length, gso_size));
                    prop_assert!(size.segments >= 1);
                }
            }
        }
    }

    #[test]
    fn a_frame_with_changed_bytes_makes_no_panic(
        blueprint in blueprint(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut frame = blueprint.frame();
        for (index, byte) in changes {
            let index = index.index(frame.len());
            frame[index] = byte;
        }
        let length = u32::try_from(frame.len()).expect("a frame's length");
        if let Ok(packet) = parse(&Captured(&frame), blueprint.framing, Expand::Vxlan, length) {
            prop_assert!(packet.network_offset + packet.length <= length || packet.around().is_some());
        }
    }
}
