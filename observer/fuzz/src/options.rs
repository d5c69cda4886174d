//! Other options for a TCP segment: a list of kinds and lengths, as bytes at random hardly ever are.
//! Never a change of the frame's length: more options are less payload.

use observer_ebpf::parse::{Captured, Expand, parse};

use crate::case::Shown;
use crate::dice::Dice;

const TCP: u8 = 6;
/// Bytes of a TCP header without options.
const HEADER: usize = 20;
/// The most bytes of options.
const MOST: usize = 40;
/// The last kind without a length.
const NO_OPERATION: u8 = 1;
/// Kinds that most options are of: those in use (IANA) begin with them.
const KINDS: u8 = 10;

/// The bytes of a frame, with other options in its innermost segment. None if no segment is read in it.
pub(crate) fn rewritten(frame: &Shown<'_>, dice: &mut Dice) -> Option<Vec<u8>> {
    let expand = Expand::at(frame.site.point);
    let packet = parse(
        &Captured(frame.bytes),
        frame.framing(),
        expand,
        frame.length(),
    )
    .ok()?;
    if packet.key.protocol != TCP {
        return None;
    }
    let payload = packet.payload_offset as usize;
    let end = packet.network_offset as usize + packet.length as usize;
    let header = header(frame.bytes, payload)?;
    let begin = header + HEADER;
    let room = end.min(frame.bytes.len()).checked_sub(begin)?.min(MOST) / 4;
    let words = if dice.below(2) == 0 {
        room
    } else {
        dice.below(room + 1)
    };
    let mut bytes = frame.bytes.to_vec();
    let offset = u8::try_from(HEADER / 4 + words).ok()?;
    bytes[header + 12] = offset << 4 | bytes[header + 12] & 0x0f;
    fill(&mut bytes[begin..begin + 4 * words], dice);
    Some(bytes)
}

/// Where the TCP header begins whose payload begins at an offset.
fn header(bytes: &[u8], payload: usize) -> Option<usize> {
    let lengths = (HEADER..=HEADER + MOST).step_by(4);
    let mut begins = lengths.filter_map(|length| Some((payload.checked_sub(length)?, length)));
    let (begin, _) = begins.find(|&(begin, length)| {
        let offset = bytes.get(begin + 12).map(|byte| byte >> 4);
        offset.map(|words| usize::from(words) * 4) == Some(length)
    })?;
    Some(begin)
}

/// Fills `room` with options. What is in them stays as it was; the last one may be too long by a byte.
fn fill(room: &mut [u8], dice: &mut Dice) {
    let mut begin = 0;
    while begin < room.len() {
        let [any, ..] = dice.next().to_le_bytes();
        let kind = if dice.below(8) == 0 { any } else { any % KINDS };
        room[begin] = kind;
        let left = room.len() - begin;
        begin += match room.get_mut(begin + 1) {
            Some(length) if kind > NO_OPERATION => {
                let size = 2 + dice.below(left);
                *length = u8::try_from(size).unwrap_or(any);
                size
            }
            _ => 1,
        };
    }
}
