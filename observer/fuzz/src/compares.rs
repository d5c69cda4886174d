//! How an input is changed by what its numbers were compared with: where it holds the one number of a
//! comparison, it gets the other. libFuzzer does so from 32 bits on; lengths, ports and types of headers
//! have 16. Never a change of an input's length.

use crate::dice::Dice;

/// Two numbers that were compared, and differed.
pub(crate) type Pair = (u16, u16);

/// Comparisons that are tried until the input holds a number of one.
const TRIES: usize = 16;

/// Puts a number into `input` that one of its own was compared with, or a neighbour of it. False if it
/// holds none of those that were drawn.
pub(crate) fn answer(input: &mut [u8], pairs: &[Pair], dice: &mut Dice) -> bool {
    for _ in 0..TRIES {
        let Some(&(one, other)) = pairs.get(dice.below(pairs.len())) else {
            return false;
        };
        let (held, wanted) = if dice.below(2) == 0 {
            (one, other)
        } else {
            (other, one)
        };
        // Headers are in network order, most of what stands before them is not.
        let bytes = if dice.below(4) == 0 {
            u16::to_le_bytes
        } else {
            u16::to_be_bytes
        };
        let places = (0..input.len()).filter(|&place| input[place..].starts_with(&bytes(held)));
        let places: Vec<_> = places.collect();
        let Some(&place) = places.get(dice.below(places.len())) else {
            continue;
        };
        let wanted = match dice.below(4) {
            0 => wanted.wrapping_add(1),
            1 => wanted.wrapping_sub(1),
            _ => wanted,
        };
        input[place..place + 2].copy_from_slice(&bytes(wanted));
        return true;
    }
    false
}
