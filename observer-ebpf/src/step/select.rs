//! Hash-based packet selection (RFC 5475, section 6.2): the same packets at every point and node,
//! without a word between them.

/// True if a probe (`TSval` or echo token) is one of the 1 in 2^rate that are followed. The reply is
/// selected by the equal answer; a higher share contains the lower.
///
/// Exactly one of every 2^rate consecutive probes is selected, so that two of them are seldom closer
/// than a round trip: a point holds one at a time, and the points nearer to the answer, which are
/// free earlier, would take a second one that the farther ones must let pass.
#[inline(always)]
#[must_use]
pub const fn is_selected(probe: u32, rate: u8) -> bool {
    let mask = match 1_u32.checked_shl(rate as u32) {
        Some(bit) => bit - 1,
        None => u32::MAX,
    };
    order(probe) & mask == 0
}

/// A permutation of all probes: a probe is selected at every rate up to its number of zero bits at
/// the low end.
///
/// Each bit is its own, changed by a function of the higher bits alone: numbers that differ in their
/// low bits only keep differing there. The higher bits are mixed, since `TSval` counts milliseconds
/// and traffic has a rhythm.
#[inline(always)]
#[must_use]
pub const fn order(probe: u32) -> u32 {
    let mixed = probe ^ (probe >> 3) ^ ((probe >> 1) & (probe >> 2));
    let mixed = mixed ^ (mixed >> 5) ^ ((mixed >> 1) & !(mixed >> 4));
    let mixed = mixed ^ (mixed >> 2) ^ (mixed >> 9);
    mixed ^ (mixed >> 1) ^ ((mixed >> 3) & (mixed >> 6))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Any moment of a timestamp clock.
    const START: u32 = 0x5eed_0000;

    #[test]
    fn one_of_every_block_is_selected_and_a_higher_share_contains_the_lower() {
        for rate in 0..=10 {
            let block = 1_u32 << rate;
            for number in 0..200 {
                let first = START + number * block;
                let selected = (first..first + block).filter(|&probe| is_selected(probe, rate));
                assert_eq!(selected.count(), 1, "rate {rate}, block {number}");
            }
        }
        for probe in START..START + 100_000 {
            for rate in 1..=10 {
                assert!(!is_selected(probe, rate) || is_selected(probe, rate - 1));
            }
        }
    }

    #[test]
    fn two_selected_probes_are_seldom_close() {
        let selected = (START..START + 400_000).filter(|&probe| is_selected(probe, 8));
        let selected: std::vec::Vec<u32> = selected.collect();
        let pairs = selected.iter().zip(selected.iter().skip(1));
        let close = pairs.filter(|(one, next)| *next - *one < 20).count();
        // One at random in 256 would have one in 13 so close.
        assert!(
            close * 100 < selected.len(),
            "{close} of {}",
            selected.len()
        );
    }

    #[test]
    fn traffic_of_any_rhythm_gets_its_share() {
        const PACKETS: u32 = 20_000;
        for period in [
            1, 2, 4, 5, 8, 10, 16, 20, 32, 40, 50, 64, 100, 128, 200, 250, 256, 1_000,
        ] {
            for rate in [4, 8] {
                let times = (0..PACKETS).map(|number| START.wrapping_add(number * period));
                let selected = times.filter(|&probe| is_selected(probe, rate)).count();
                let share = selected << rate;
                let fair = PACKETS as usize / 2..PACKETS as usize * 2;
                assert!(
                    fair.contains(&share),
                    "every {period} ms, rate {rate}: {selected}"
                );
            }
        }
    }
}
