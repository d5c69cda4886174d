//! What an underlay device saw before the stack, as one sweep reports it.

use observer_ebpf::abi::wire::{DELAYS, WireRecord, delay_edge};

/// One underlay device with an XDP program. Counts are since it was first there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WireReport {
    /// Its name.
    pub device: String,
    /// Where the program runs: `native` or `generic`.
    pub mode: &'static str,
    /// What was counted.
    pub sums: WireRecord,
}

impl WireReport {
    /// Selected packets that were timed.
    #[must_use]
    pub fn timed(&self) -> u64 {
        self.sums.delays.iter().sum()
    }

    /// All delays together, nanoseconds.
    #[must_use]
    pub const fn delayed(&self) -> u64 {
        self.sums.delayed.saturating_mul(64)
    }

    /// An upper bound in nanoseconds of the delay that `share` hundredths of the packets had at most:
    /// the upper edge of its bucket. None without samples or where the last bucket begins.
    #[must_use]
    pub fn delay_within(&self, share: u64) -> Option<u64> {
        let rank = (u128::from(self.timed()) * u128::from(share)).div_ceil(100);
        let mut below = 0;
        let bucket = (0..DELAYS).zip(self.sums.delays).find(|(_, count)| {
            below += u128::from(*count);
            *count > 0 && below >= rank
        });
        delay_edge(bucket?.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_the_edge_of_the_bucket_that_holds_it() {
        let mut report = WireReport {
            device: "eth0".to_owned(),
            mode: "native",
            sums: WireRecord::default(),
        };
        assert_eq!((report.timed(), report.delay_within(50)), (0, None));
        report.sums.delays[3] = 98;
        report.sums.delays[8] = 2;
        report.sums.delayed = 1_000;
        assert_eq!((report.timed(), report.delayed()), (100, 64_000));
        assert_eq!(report.delay_within(50), Some(512));
        assert_eq!(report.delay_within(98), Some(512));
        assert_eq!(report.delay_within(99), Some(16_384));
        report.sums.delays[DELAYS - 1] = 900;
        assert_eq!(report.delay_within(50), None);
    }
}
