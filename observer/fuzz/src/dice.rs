//! Numbers out of a seed, the same for the same seed. Never for anything that has to be unforeseen.

/// Numerical Recipes' generator, the upper bits of which are used.
pub(crate) struct Dice(pub(crate) u32);

impl Dice {
    /// The next number, below 2^24.
    pub(crate) fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        self.0 >> 8
    }

    /// The next number below a bound; 0 if nothing is.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.next() as usize % bound.max(1)
    }
}
