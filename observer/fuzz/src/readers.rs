//! What must hold of every frame's parse: whole, cut, through a window, and in the kernel's order of
//! readers. A reader may see less, then it says nothing; it never says something else.

use observer_ebpf::parse::{
    Captured, Expand, Fragment, Framing, Packet, Rejected, Window, parse, parse_into,
};

use crate::case::Shown;

/// Bytes that the kernel copies of a frame whose headers are not in its linear part.
const COPIED: usize = 240;

/// Checks all ways to read a frame against the parse of all that was captured.
pub(crate) fn agree(frame: &Shown<'_>, expand: Expand) {
    let (bytes, framing, length) = (frame.bytes, frame.framing(), frame.length());
    let whole = read(bytes, framing, expand, length);
    if let Ok(packet) = &whole {
        is_sound(packet, length);
    }
    let linear = &bytes[..bytes.len().min(frame.linear.into())];
    let copied = &bytes[..bytes.len().min(COPIED)];
    for part in [linear, copied] {
        says_no_more(&read(part, framing, expand, length), &whole, part);
        if bytes.len() as u64 == u64::from(length) {
            is_a_shorter_packet(part, framing, expand, &whole);
        }
    }
    for packet in [
        through_window::<66>(bytes, framing, expand, length),
        through_window::<102>(bytes, framing, expand, length),
        through_window::<116>(bytes, framing, expand, length),
    ] {
        assert!(
            packet.is_none() || packet == whole.as_ref().ok().cloned(),
            "a window says something else: {packet:?}, the whole frame {whole:?}"
        );
    }
    says_no_more(&as_kernel(frame, expand), &whole, linear);
}

/// The kernel's readers in their order: a window of the linear part, all of it, a copied head.
fn as_kernel(frame: &Shown<'_>, expand: Expand) -> Result<Packet, Rejected> {
    let (bytes, framing, length) = (frame.bytes, frame.framing(), frame.length());
    let linear = &bytes[..bytes.len().min(frame.linear.into())];
    let usual = match (framing, expand) {
        (Framing::Ethernet, Expand::No) => through_window::<66>(linear, framing, expand, length),
        (Framing::Ethernet, Expand::Vxlan) => {
            through_window::<116>(linear, framing, expand, length)
        }
        (Framing::Ip, _) => through_window::<102>(linear, framing, expand, length),
    };
    if let Some(packet) = usual {
        return Ok(packet);
    }
    let direct = read(linear, framing, expand, length);
    if direct.is_ok() || linear.len() as u64 >= u64::from(length) {
        return direct;
    }
    let copied = &bytes[..bytes.len().min(COPIED)];
    read(copied, framing, expand, length)
}

/// What a window of `N` bytes makes of a frame; none if it is not usual.
fn through_window<const N: usize>(
    bytes: &[u8],
    framing: Framing,
    expand: Expand,
    length: u32,
) -> Option<Packet> {
    let mut packet = Packet::EMPTY;
    let window = Window(bytes.first_chunk::<N>()?);
    parse_into(&window, framing, expand, length, &mut packet).ok()?;
    Some(meant(packet))
}

/// What all of some bytes says.
fn read(bytes: &[u8], framing: Framing, expand: Expand, length: u32) -> Result<Packet, Rejected> {
    parse(&Captured(bytes), framing, expand, length).map(meant)
}

/// A packet without what is meaningless: a window leaves it out.
fn meant(mut packet: Packet) -> Packet {
    if packet.fragment == Fragment::None {
        packet.identification = 0;
    }
    packet
}

/// Of a frame that is cut, the same is said, or that it cannot be read.
fn says_no_more(seen: &Result<Packet, Rejected>, whole: &Result<Packet, Rejected>, part: &[u8]) {
    let says_nothing = matches!(seen, Err(Rejected::Malformed(_)));
    assert!(
        says_nothing || seen == whole,
        "a cut frame says something else: {} bytes {seen:?}, the whole frame {whole:?}",
        part.len()
    );
}

/// A frame that really is that short has the same ends as the whole one, or is malformed.
fn is_a_shorter_packet(
    part: &[u8],
    framing: Framing,
    expand: Expand,
    whole: &Result<Packet, Rejected>,
) {
    let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
    match (read(part, framing, expand, length), whole) {
        (Err(Rejected::Malformed(_)), _) => {}
        (Ok(short), Ok(whole)) => {
            let ends = |packet: &Packet| {
                let key = &packet.key;
                (key.low, key.high, key.protocol, key.family, key.kind)
            };
            assert_eq!(
                ends(&short),
                ends(whole),
                "a shorter packet has the same ends"
            );
            assert!(
                short.length <= whole.length,
                "a shorter packet is no longer"
            );
        }
        (short, whole) => assert_eq!(&short, whole, "a shorter frame is the same or malformed"),
    }
}

/// A packet's own numbers fit together.
fn is_sound(packet: &Packet, length: u32) {
    let key = &packet.key;
    let (low, high) = ((key.low, key.low_port), (key.high, key.high_port));
    assert!(low <= high, "the ends are in order: {packet:?}");
    assert!(
        key.reserved == 0 && matches!(key.family, 4 | 6) && key.kind <= 2,
        "a key is in order: {key:?}"
    );
    let end = u64::from(packet.network_offset) + u64::from(packet.length);
    assert!(
        packet.network_offset < packet.payload_offset,
        "a packet is in order: {packet:?}"
    );
    assert!(
        u64::from(packet.payload_offset) <= end,
        "a packet is in order: {packet:?}"
    );
    let is_cut = packet
        .around()
        .is_some_and(|outer| outer.fragment != Fragment::None);
    assert!(
        is_cut || end <= u64::from(length),
        "a packet ends in its frame: {packet:?} of {length}"
    );
    if let Some(outer) = packet.around() {
        assert!(
            outer.payload_offset < packet.network_offset,
            "a packet is in order: {packet:?}"
        );
    }
}
