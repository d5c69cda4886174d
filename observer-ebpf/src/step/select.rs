//! Hash-based packet selection (RFC 5475, section 6.2): the same packets at every point and node,
//! without a word between them.

/// True if a probe (`TSval` or echo token) is one of the 1 in 2^rate that are followed. The reply is
/// selected by the equal answer; a higher share contains the lower.
#[inline(always)]
#[must_use]
pub const fn is_selected(probe: u32, rate: u8) -> bool {
    // Bits are mixed, since `TSval` counts milliseconds and its low bits have a rhythm.
    let mixed = (probe ^ (probe >> 15)).wrapping_mul(0x2c1b_3c6d);
    let mixed = (mixed ^ (mixed >> 12)).wrapping_mul(0x297a_2d39);
    let mask = match 1_u32.checked_shl(rate as u32) {
        Some(bit) => bit - 1,
        None => u32::MAX,
    };
    (mixed ^ (mixed >> 15)) & mask == 0
}
