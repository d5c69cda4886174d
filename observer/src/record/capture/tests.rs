//! Captures written by hand, whole, cut off anywhere, and with every byte changed.

use super::*;

/// Numbers in a file's byte order.
#[derive(Clone, Copy)]
enum Order {
    Little,
    Big,
}

impl Order {
    const BOTH: [Self; 2] = [Self::Little, Self::Big];

    fn word(self, number: u32) -> [u8; 4] {
        match self {
            Self::Little => number.to_le_bytes(),
            Self::Big => number.to_be_bytes(),
        }
    }

    fn half(self, number: u16) -> [u8; 2] {
        match self {
            Self::Little => number.to_le_bytes(),
            Self::Big => number.to_be_bytes(),
        }
    }
}

fn pcap(order: Order, magic: u32, link: u32) -> Vec<u8> {
    let mut file = order.word(magic).to_vec();
    file.extend([order.half(2), order.half(4)].concat());
    file.extend([0, 0, 262_144, link].map(|word| order.word(word)).concat());
    for (fraction, frame) in [(1, &b"first"[..]), (999_999, b"the second")] {
        let length = u32::try_from(frame.len()).expect("a frame's length");
        let head = [1_700_000_000, fraction, length, length + 100];
        file.extend(head.map(|word| order.word(word)).concat());
        file.extend(frame);
    }
    file
}

fn block(order: Order, kind: u32, body: &[u8]) -> Vec<u8> {
    let length = order.word(u32::try_from(body.len()).expect("a body's length") + 12);
    [&order.word(kind), &length, body, &length].concat()
}

fn option(order: Order, code: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).expect("an option's length");
    let mut option = [order.half(code), order.half(length)].concat();
    option.extend(value);
    option.resize(option.len().next_multiple_of(4), 0);
    option
}

fn section(order: Order) -> Vec<u8> {
    let version = [order.half(1), order.half(0)].concat();
    let body = [&order.word(0x1a2b_3c4d)[..], &version, &[0xff; 8]].concat();
    block(order, 0x0a0d_0d0a, &body)
}

fn interface(order: Order, link: u16, options: &[u8]) -> Vec<u8> {
    let fixed = [order.half(link), [0; 2], [0; 2], [0; 2]].concat();
    block(order, 1, &[&fixed, options].concat())
}

fn packet(order: Order, (interface, ticks): (u32, u64), frame: &[u8], flags: u32) -> Vec<u8> {
    let length = u32::try_from(frame.len()).expect("a frame's length");
    let high = u32::try_from(ticks >> 32).expect("half of the ticks");
    let low = u32::try_from(ticks & 0xffff_ffff).expect("half of the ticks");
    let words = [interface, high, low, length, length + 7].map(|word| order.word(word));
    let mut body = words.concat();
    body.extend(frame);
    body.resize(body.len().next_multiple_of(4), 0);
    body.extend(option(order, 2, &order.word(flags)));
    body.extend(option(order, 0, &[]));
    block(order, 6, &body)
}

/// Two sections, of which the second counts nanoseconds and its interfaces anew.
fn pcapng(order: Order) -> Vec<u8> {
    let nanos = [option(order, 2, b"cni0"), option(order, 9, &[9])].concat();
    [
        section(order),
        interface(order, 1, &option(order, 2, b"eth0")),
        packet(order, (0, 1_700_000_000_000_001), b"first", 1),
        block(order, 5, &[0; 16]),
        section(order),
        interface(order, 101, &nanos),
        packet(order, (0, 1_700_000_000_999_999_000), b"the second", 2),
    ]
    .concat()
}

/// All frames, until the end or an error.
fn read(file: &[u8]) -> (Vec<(Head, Vec<u8>)>, Option<CaptureError>) {
    let mut frames = Vec::new();
    let mut capture = match Capture::open(file) {
        Ok(capture) => capture,
        Err(error) => return (frames, Some(error)),
    };
    let mut bytes = Vec::new();
    loop {
        match capture.take(&mut bytes) {
            Ok(Some(head)) => frames.push((head, bytes.clone())),
            Ok(None) => return (frames, None),
            Err(error) => return (frames, Some(error)),
        }
    }
}

fn all() -> Vec<Vec<u8>> {
    Order::BOTH
        .into_iter()
        .flat_map(|order| [pcap(order, 0xa1b2_c3d4, 1), pcapng(order)])
        .collect()
}

#[test]
fn pcap_is_read_in_both_byte_orders_and_resolutions() {
    for order in Order::BOTH {
        for (magic, unit) in [(0xa1b2_c3d4, 1_000), (0xa1b2_3c4d, 1)] {
            let (frames, error) = read(&pcap(order, magic, 1));
            assert!(error.is_none(), "{error:?}");
            let found: Vec<_> = frames
                .iter()
                .map(|(head, bytes)| (head.wall, head.length, head.offset, &bytes[..]))
                .collect();
            let second = 1_700_000_000 * 1_000_000_000;
            let wanted = [
                (second + unit, 105, 24, &b"first"[..]),
                (second + 999_999 * unit, 110, 45, b"the second"),
            ];
            assert_eq!(found, wanted);
        }
    }
}

#[test]
fn pcapng_keeps_names_directions_and_each_sections_interfaces_and_clocks() {
    for order in Order::BOTH {
        let file = pcapng(order);
        let (frames, error) = read(&file);
        assert!(error.is_none(), "{error:?}");
        let found: Vec<_> = frames
            .iter()
            .map(|(head, bytes)| (head.interface, head.wall, head.heading, &bytes[..]))
            .collect();
        let second = 1_700_000_000 * 1_000_000_000;
        let wanted = [
            (0, second + 1_000, Some(Heading::In), &b"first"[..]),
            (1, second + 999_999_000, Some(Heading::Out), b"the second"),
        ];
        assert_eq!(found, wanted);
        let mut capture = Capture::open(&file[..]).expect("a capture");
        while capture.take(&mut Vec::new()).expect("frames").is_some() {}
        let interfaces: Vec<_> = capture
            .interfaces()
            .iter()
            .map(|interface| (interface.link, interface.name.as_deref()))
            .collect();
        let wanted = [
            (LinkType::Ethernet, Some("eth0")),
            (LinkType::Raw, Some("cni0")),
        ];
        assert_eq!(interfaces, wanted);
    }
}

#[test]
fn each_interface_of_a_section_counts_time_in_its_own_units_from_its_own_beginning() {
    for order in Order::BOTH {
        let offset = match order {
            Order::Little => 1_700_000_000_i64.to_le_bytes(),
            Order::Big => 1_700_000_000_i64.to_be_bytes(),
        };
        let units = |resolution: u8| {
            let unit = option(order, 9, &[resolution]);
            [option(order, 2, b"eth0"), unit, option(order, 14, &offset)].concat()
        };
        // Three of one name: in 1/1,024 s, in milliseconds, and as is usual.
        let file = [
            section(order),
            interface(order, 1, &units(0x8a)),
            interface(order, 1, &units(3)),
            interface(order, 276, &option(order, 14, &offset)),
            packet(order, (2, 7), b"third", 0),
            packet(order, (0, 512), b"first", 0),
            packet(order, (1, 512), b"second", 0),
        ]
        .concat();
        let (frames, error) = read(&file);
        assert!(error.is_none(), "{error:?}");
        let found: Vec<_> = frames
            .iter()
            .map(|(head, _)| (head.interface, head.wall - 1_700_000_000_000_000_000))
            .collect();
        assert_eq!(found, [(2, 7_000), (0, 500_000_000), (1, 512_000_000)]);
        assert!(frames.iter().all(|(head, _)| head.heading.is_none()));
    }
}

#[test]
fn a_file_cut_off_anywhere_gives_fewer_frames_and_never_other_ones() {
    for file in all() {
        let (whole, _) = read(&file);
        let mut clean = Vec::new();
        for length in 0..file.len() {
            let (frames, error) = read(&file[..length]);
            assert!(frames.len() < 2 && whole.starts_with(&frames), "{length}");
            match error {
                Some(error) => {
                    assert!(error.offset <= length as u64, "{length}: {error}");
                    assert!(
                        matches!(error.problem, Problem::Truncated { .. }),
                        "{length}: {error}"
                    );
                }
                None => clean.push(length as u64),
            }
        }
        // Between two records nobody can tell that more was to come.
        assert!(clean.contains(&whole[1].0.offset) || file.starts_with(&pcapng::SECTION));
        assert!(clean.len() <= 6, "{clean:?}");
    }
}

#[test]
fn a_file_with_any_byte_changed_is_read_or_refused_within_its_bounds() {
    for file in all() {
        for place in 0..file.len() {
            for change in [0x01, 0x80, 0xff] {
                let mut changed = file.clone();
                changed[place] ^= change;
                let (frames, error) = read(&changed);
                assert!(frames.len() <= 2);
                assert!(error.is_none_or(|error| error.offset <= file.len() as u64));
            }
        }
    }
}

#[test]
fn what_cannot_be_is_refused_with_its_place() {
    let order = Order::Little;
    let with = |mut file: Vec<u8>, place: usize, octets: &[u8]| {
        file[place..place + octets.len()].copy_from_slice(octets);
        file
    };
    let good = || pcap(order, 0xa1b2_c3d4, 1);
    let head = [section(order), interface(order, 1, &[])].concat();
    let after = |block: Vec<u8>| [head.clone(), block].concat();
    let lying = with(packet(order, (0, 0), b"frame", 0), 20, &order.word(500));
    for (file, offset, says) in [
        (pcap(order, 0xa1b2_c3d4, 0), 20, "link type 0 "),
        (with(good(), 32, &order.word(262_145)), 24, "262145 bytes"),
        (with(good(), 32, &order.word(106)), 24, "on the wire"),
        (with(good(), 28, &order.word(1_000_000)), 24, "fraction"),
        (with(good(), 4, &order.half(9)), 4, "version 9"),
        (b"\x1f\x8b\x08\0 gzip".to_vec(), 0, "0x1f8b0800"),
        (
            [section(order), interface(order, 147, &[])].concat(),
            28,
            "link type 147",
        ),
        (after(packet(order, (1, 0), b"frame", 0)), 48, "interface 1"),
        (after(lying), 48, "on the wire"),
        (after(block(order, 3, &[0; 8])), 48, "simple packet"),
        (
            after(with(block(order, 5, &[0; 8]), 16, &order.word(24))),
            48,
            "otherwise",
        ),
        (
            after(with(block(order, 6, &[0; 8]), 4, &order.word(0xffff_fff0))),
            48,
            "327,680",
        ),
        (
            after(with(block(order, 5, &[0; 8]), 4, &order.word(7))),
            48,
            "too short",
        ),
    ] {
        let (_, error) = read(&file);
        let error = error.expect(says).to_string();
        assert!(error.contains(says), "{says}: {error}");
        assert!(error.starts_with(&format!("byte {offset}: ")), "{error}");
    }
}
