//! How often round trips are selected: as the settings say, and seldomer while records of them are
//! lost. What the kernel's budget and the ring refuse is each node's own choice, and leaves traces
//! with one side; a lower share is the same choice at both ends. Time is an argument.

use std::collections::BTreeMap;

use observer_ebpf::abi::counter::Loss;
use observer_ebpf::units::Monotonic;

/// Records of selected round trips per second that the kernel lets through at most, all points together.
pub const BUDGET: u64 = 1_000;
/// After so long without a loss the share is doubled again, nanoseconds.
const QUIET: u64 = 60_000_000_000;
/// The share is lowered by two to the power of this at most.
const LOWEST: u8 = 12;
/// Sweeps after a change whose losses tell nothing: flows take the new share at their next epoch, and
/// the budget of the window in which they do is spent.
const SETTLING: u8 = 2;
const SECOND: u64 = 1_000_000_000;
/// What becomes of records of round trips: a lower share is a cure of nothing else.
const LOST: [Loss; 2] = [Loss::RoundTripBudget, Loss::RoundTripRingFull];

/// Lost records so far, by the kernel's ledger.
#[must_use]
pub fn lost_records(ledger: &BTreeMap<String, u64>) -> u64 {
    let named = Loss::ALL
        .into_iter()
        .filter(|(loss, _)| LOST.contains(loss));
    named.filter_map(|(_, name)| ledger.get(name)).sum()
}

/// The share of packets that are selected, 1 in 2^rate.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    wanted: u8,
    rate: u8,
    lost: u64,
    swept: Monotonic,
    calm_since: Monotonic,
    settling: u8,
}

impl Pace {
    /// The settings' share, from `now` on.
    #[must_use]
    pub const fn new(wanted: u8, now: Monotonic) -> Self {
        Self {
            wanted,
            rate: wanted,
            lost: 0,
            swept: now,
            calm_since: now,
            settling: 0,
        }
    }

    /// The rate in force.
    #[must_use]
    pub const fn rate(&self) -> u8 {
        self.rate
    }

    /// By how much it is above the settings' rate.
    #[must_use]
    pub const fn lowered(&self) -> u8 {
        self.rate.saturating_sub(self.wanted)
    }

    /// Takes the count of lost records so far; true if the rate has changed.
    pub fn update(&mut self, lost: u64, now: Monotonic) -> bool {
        let before = self.rate;
        let passed = now.0.saturating_sub(self.swept.0).max(1);
        let new = lost.saturating_sub(self.lost);
        (self.lost, self.swept) = (lost, now);
        if self.settling > 0 {
            self.settling -= 1;
        } else if new > 0 {
            // What came beside what was lost is no more than the budget; half of it is to be left.
            let per_second = BUDGET + new.saturating_mul(SECOND) / passed;
            let halvings = (2 * per_second)
                .div_ceil(BUDGET)
                .next_power_of_two()
                .ilog2();
            let most = self.wanted.saturating_add(LOWEST);
            let halvings = u8::try_from(halvings).unwrap_or(LOWEST);
            self.rate = self.rate.saturating_add(halvings).min(most);
            (self.calm_since, self.settling) = (now, SETTLING);
        } else if self.rate > self.wanted && now.0.saturating_sub(self.calm_since.0) >= QUIET {
            self.rate -= 1;
            self.calm_since = now;
        }
        self.rate != before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Monotonic {
        Monotonic(seconds * SECOND)
    }

    #[test]
    fn lost_announcements_are_no_lost_records() {
        let of = |loss: Loss| 1_u64 << loss as u32;
        let ledger = Loss::ALL.map(|(loss, name)| (name.to_owned(), of(loss)));
        let lost = lost_records(&ledger.into());
        assert_eq!(
            lost,
            of(Loss::RoundTripBudget) + of(Loss::RoundTripRingFull)
        );
        assert_eq!(lost_records(&BTreeMap::new()), 0);
    }

    #[test]
    fn a_loss_lowers_the_share_until_half_the_budget_is_used() {
        for (lost, halvings) in [(1, 1), (5_000, 2), (15_000, 3), (1_000_000, 9)] {
            let mut pace = Pace::new(8, at(0));
            assert!(pace.update(lost, at(5)));
            assert_eq!(
                (pace.rate(), pace.lowered()),
                (8 + halvings, halvings),
                "{lost}"
            );
        }
        let mut pace = Pace::new(0, at(0));
        assert!(pace.update(u64::MAX, at(5)));
        assert_eq!(pace.rate(), LOWEST);
    }

    #[test]
    fn losses_before_a_change_takes_effect_do_not_count_again() {
        let mut pace = Pace::new(8, at(0));
        let sweeps = [
            (5_000, 10),
            (10_000, 10),
            (10_100, 10),
            (10_100, 10),
            (10_101, 11),
        ];
        for (sweep, (lost, rate)) in (1..).zip(sweeps) {
            pace.update(lost, at(5 * sweep));
            assert_eq!(pace.rate(), rate, "sweep {sweep}");
        }
    }

    #[test]
    fn the_share_comes_back_a_step_a_minute() {
        let mut pace = Pace::new(4, at(0));
        assert!(!pace.update(0, at(500)), "it is the settings' own");
        assert!(pace.update(10_000, at(505)));
        assert_eq!(pace.rate(), 7);
        for (seconds, rate) in [
            (510, 7),
            (515, 7),
            (564, 7),
            (565, 6),
            (566, 6),
            (625, 5),
            (685, 4),
            (900, 4),
        ] {
            let before = pace.rate();
            assert_eq!(
                pace.update(10_000, at(seconds)),
                rate != before,
                "{seconds} s"
            );
            assert_eq!(pace.rate(), rate, "{seconds} s");
        }
    }
}
