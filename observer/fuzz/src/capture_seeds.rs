//! The corpus of target `captures`: files of both formats, in both byte orders, of every link type,
//! and one for each way to be refused.

use observer_ebpf::fixtures;

/// Byte order of a file.
#[derive(Clone, Copy)]
pub(crate) enum Order {
    Little,
    Big,
}

impl Order {
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

const LINKS: [u16; 4] = [1, 101, 113, 276];
const MICROSECONDS: u32 = 0xa1b2_c3d4;
const NANOSECONDS: u32 = 0xa1b2_3c4d;

/// Named inputs.
pub(crate) fn seeds() -> Vec<(String, Vec<u8>)> {
    let frames: Vec<_> = fixtures::all().into_iter().step_by(16).collect();
    let frames: Vec<&[u8]> = frames.iter().map(|fixture| &fixture.bytes[..]).collect();
    let mut seeds = Vec::new();
    for (order, word) in [(Order::Little, "little"), (Order::Big, "big")] {
        for link in LINKS {
            for (magic, unit) in [(MICROSECONDS, "us"), (NANOSECONDS, "ns")] {
                let name = format!("pcap-{word}-{unit}-{link}");
                seeds.push((name, pcap(order, (magic, link), &frames)));
            }
            seeds.push((
                format!("pcapng-{word}-{link}"),
                pcapng(order, link, &frames),
            ));
        }
    }
    seeds.extend(damaged(&frames));
    seeds
}

/// A pcap file.
pub(crate) fn pcap(order: Order, (magic, link): (u32, u16), frames: &[&[u8]]) -> Vec<u8> {
    let mut file = order.word(magic).to_vec();
    file.extend([order.half(2), order.half(4)].concat());
    file.extend(
        [0, 0, 262_144, link.into()]
            .map(|word| order.word(word))
            .concat(),
    );
    for (time, frame) in (0..).zip(frames) {
        let length = u32::try_from(frame.len()).unwrap_or(u32::MAX);
        let head = [1_700_000_000, time, length, length + time % 2];
        file.extend(head.map(|word| order.word(word)).concat());
        file.extend(*frame);
    }
    file
}

/// A pcapng file: a named interface in nanoseconds, and frames that say where they went.
pub(crate) fn pcapng(order: Order, link: u16, frames: &[&[u8]]) -> Vec<u8> {
    let mut file = section(order, 1);
    file.extend(interface(order, link));
    for (time, frame) in (0..).zip(frames) {
        file.extend(packet(order, (0, time), frame));
    }
    file
}

fn section(order: Order, version: u16) -> Vec<u8> {
    let mut body = order.word(0x1a2b_3c4d).to_vec();
    body.extend([order.half(version), order.half(0)].concat());
    body.extend([0xff; 8]);
    block(order, 0x0a0d_0d0a, &body)
}

fn interface(order: Order, link: u16) -> Vec<u8> {
    let mut body = [order.half(link), order.half(0)].concat();
    body.extend(order.word(262_144));
    body.extend(option(order, 2, b"cni0"));
    body.extend(option(order, 9, &[9]));
    body.extend(option(order, 0, &[]));
    block(order, 1, &body)
}

fn packet(order: Order, (interface, time): (u32, u32), frame: &[u8]) -> Vec<u8> {
    let length = u32::try_from(frame.len()).unwrap_or(u32::MAX);
    let head = [interface, 400_000_000, time, length, length + time % 2];
    let mut body = head.map(|word| order.word(word)).concat();
    body.extend(frame);
    body.resize(body.len().next_multiple_of(4), 0);
    body.extend(option(order, 2, &order.word(time % 3)));
    body.extend(option(order, 0, &[]));
    block(order, 6, &body)
}

fn option(order: Order, code: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
    let mut bytes = [order.half(code), order.half(length)].concat();
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn block(order: Order, kind: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(12 + body.len()).unwrap_or(u32::MAX);
    let mut bytes = [order.word(kind), order.word(length)].concat();
    bytes.extend(body);
    bytes.extend(order.word(length));
    bytes
}

/// One file for each way to be refused.
fn damaged(frames: &[&[u8]]) -> Vec<(String, Vec<u8>)> {
    let little = Order::Little;
    let good = pcap(little, (MICROSECONDS, 1), frames);
    let with = |blocks: &[Vec<u8>]| {
        let mut file = section(little, 1);
        file.extend(interface(little, 1));
        file.extend(blocks.concat());
        file
    };
    let mut lies = good.clone();
    lies[24 + 8..24 + 12].copy_from_slice(&u32::MAX.to_le_bytes());
    let mut late = good.clone();
    late[24 + 4..24 + 8].copy_from_slice(&2_000_000_u32.to_le_bytes());
    let mut old = good.clone();
    old[4] = 9;
    let first: &[u8] = frames.first().copied().unwrap_or_default();
    let named = |name: &str, bytes| (name.to_owned(), bytes);
    vec![
        named("truncated", good[..good.len() - 1].to_vec()),
        named("empty", Vec::new()),
        named("magic", b"not a capture at all".to_vec()),
        named("version", old),
        named("version-pcapng", section(little, 7)),
        named("link_type", pcap(little, (MICROSECONDS, 0), frames)),
        named("length", lies),
        named("time", late),
        named("interface", with(&[packet(little, (7, 0), first)])),
        named("block-simple", with(&[block(little, 3, &[0; 8])])),
        named("block-old", with(&[block(little, 2, &[0; 24])])),
        named(
            "two-sections",
            [with(&[]), pcapng(Order::Big, 276, frames)].concat(),
        ),
    ]
}
