//! How one sequence of frames is made from another: one frame, one stretch of its bytes or what
//! stands before them is changed, so that the others still mean what they did. The change itself is
//! libFuzzer's, which knows what the target compares its bytes with.

use crate::case::{self, Setting, Shown};
use crate::compares::{Pair, answer};
use crate::dice::Dice;
use crate::options;
use crate::target::Target;

/// Changes `bytes[..size]` in place, to at most `bytes.len()` bytes; the new size.
pub(crate) type Change<'a> = &'a mut dyn FnMut(&mut [u8], usize) -> usize;

/// What changes are made with.
pub(crate) struct Means<'a> {
    /// Of all that is left to chance.
    pub(crate) seed: u32,
    /// What the latest inputs were compared with.
    pub(crate) pairs: &'a [Pair],
    /// libFuzzer's own change.
    pub(crate) change: Change<'a>,
}

/// The longest stretch of a frame that is changed at once: two headers.
const STRETCH: usize = 40;
/// Room for a stretch to grow.
const GROWTH: usize = 8;

/// Changes an input of a target, in `input[..size]`; its new size.
pub(crate) fn mutate(target: Target, input: &mut [u8], size: usize, means: Means<'_>) -> usize {
    let Means {
        seed,
        pairs,
        change,
    } = means;
    let mut dice = Dice(seed);
    let held = input.get_mut(..size).unwrap_or_default();
    if dice.below(4) == 0 && answer(held, pairs, &mut dice) {
        return size;
    }
    if target == Target::Frame {
        sequence(input, size, &mut dice, change)
    } else {
        change(input, size)
    }
}

/// Changes a sequence of frames.
fn sequence(input: &mut [u8], size: usize, dice: &mut Dice, change: Change<'_>) -> usize {
    let held = input.get(..size).unwrap_or_default();
    let (setting, frames) = case::read(held);
    let frames: Vec<_> = frames.collect();
    let made = match (frames.is_empty(), dice.below(13)) {
        (true, _) | (_, 0) => None,
        (_, 1) => Some(rearranged(setting, frames, dice)),
        (_, 2) => Some(set_otherwise(setting, &frames, change)),
        (_, 3) => Some(seen_otherwise(setting, frames, dice)),
        (_, 4) => with_options(setting, &frames, dice),
        (_, 5..) => Some(rewritten(setting, &frames, dice, change)),
    };
    match made.filter(|made| made.len() <= input.len()) {
        Some(made) => {
            input[..made.len()].copy_from_slice(&made);
            made.len()
        }
        None => change(input, size),
    }
}

/// One frame more, one less, or two in each other's place.
fn rearranged(setting: Setting, mut frames: Vec<Shown<'_>>, dice: &mut Dice) -> Vec<u8> {
    let (one, other) = (dice.below(frames.len()), dice.below(frames.len()));
    match dice.below(3) {
        0 => frames.insert(one, frames[other]),
        1 => drop(frames.remove(one)),
        _ => frames.swap(one, other),
    }
    case::write(setting, &frames)
}

/// The same frames for an observer that is set otherwise.
fn set_otherwise(setting: Setting, frames: &[Shown<'_>], change: Change<'_>) -> Vec<u8> {
    let mut bytes = case::write(setting, frames);
    change(&mut bytes[..Setting::BYTES], Setting::BYTES);
    bytes
}

/// One frame elsewhere, at another time, or as another buffer.
fn seen_otherwise(setting: Setting, mut frames: Vec<Shown<'_>>, dice: &mut Dice) -> Vec<u8> {
    let place = dice.below(frames.len());
    let [which, low, high, _] = dice.next().to_le_bytes();
    let [site, ..] = dice.next().to_le_bytes();
    let number = u16::from_le_bytes([low, high]);
    let frame = &mut frames[place];
    match which % 6 {
        0 => frame.gso_size = number % 2_048,
        1 => frame.hidden = number,
        2 => frame.linear = number % 256,
        3 => frame.pause = number,
        4 => frame.mark = low,
        _ => *frame = frame.elsewhere(site),
    }
    case::write(setting, &frames)
}

/// One segment with other options; none if the frame that is drawn has none.
fn with_options(setting: Setting, frames: &[Shown<'_>], dice: &mut Dice) -> Option<Vec<u8>> {
    let place = dice.below(frames.len());
    let changed = options::rewritten(&frames[place], dice)?;
    let mut frames = frames.to_vec();
    frames[place].bytes = &changed;
    Some(case::write(setting, &frames))
}

/// A length or a port at the begin: any number, often a small one.
fn number(room: &mut [u8], dice: &mut Dice) -> usize {
    let [low, high, ..] = dice.next().to_le_bytes();
    let high = if dice.below(2) == 0 { high } else { high & 7 };
    for (byte, number) in room.iter_mut().zip([high, low]) {
        *byte = number;
    }
    room.len()
}

/// One stretch of a frame with other bytes.
fn rewritten(
    setting: Setting,
    frames: &[Shown<'_>],
    dice: &mut Dice,
    change: Change<'_>,
) -> Vec<u8> {
    let place = dice.below(frames.len());
    let bytes = frames[place].bytes;
    let begin = dice.below(bytes.len());
    let end = bytes.len().min(begin + 1 + dice.below(STRETCH));
    let end = end.max(begin);
    let mut room = bytes[begin..end].to_vec();
    let size = room.len();
    // Mostly of the same length: headers behind stay where they are.
    if size == 0 || dice.below(4) == 0 {
        room.resize(size + GROWTH, 0);
    }
    let size = if dice.below(4) == 0 {
        number(&mut room[..size], dice)
    } else {
        change(&mut room, size)
    };
    let changed = [&bytes[..begin], &room[..size], &bytes[end..]].concat();
    let mut frames = frames.to_vec();
    frames[place].bytes = &changed;
    case::write(setting, &frames)
}
