//! Trajectory (RFC 5474): which points a flow direction passed in an epoch. Written when a bit or
//! the epoch is new, else only read.

use crate::abi::biflow::Trajectory;
use crate::cell::Cell64;
use crate::units::low_word;

/// Marks `bits` in `epoch`; true if this packet opened the epoch for its direction.
#[inline(always)]
pub(super) fn mark<W64: Cell64>(trajectory: &Trajectory<W64>, epoch: u32, bits: u32) -> bool {
    let bits = u64::from(bits);
    let held = trajectory.current.load();
    let held_epoch = low_word(held >> 32);
    // A packet that read the control entry before the epoch moved marks the newer epoch.
    if held_epoch.wrapping_sub(epoch) < u32::MAX / 2 {
        if held & bits != bits {
            trajectory.current.set_bits(bits);
        }
        return false;
    }
    let opened = trajectory
        .current
        .replace(held, (u64::from(epoch) << 32) | bits);
    if opened {
        trajectory.previous.store(held);
    } else {
        trajectory.current.set_bits(bits);
    }
    opened
}

#[cfg(test)]
mod tests {
    use core::cell::Cell;

    use super::*;

    fn words(trajectory: &Trajectory<Cell<u64>>) -> (u64, u64) {
        (trajectory.current.get(), trajectory.previous.get())
    }

    #[test]
    fn bits_of_one_epoch_gather_and_a_new_epoch_keeps_the_old_word() {
        let trajectory = Trajectory::default();
        assert!(mark(&trajectory, 1, 1 << 4));
        assert!(!mark(&trajectory, 1, 1 << 9));
        assert_eq!(words(&trajectory), (1 << 32 | 1 << 4 | 1 << 9, 0));
        assert!(mark(&trajectory, 2, 1 << 5));
        assert_eq!(
            words(&trajectory),
            (2 << 32 | 1 << 5, 1 << 32 | 1 << 4 | 1 << 9)
        );
    }

    #[test]
    fn of_several_bits_those_that_are_new_are_added() {
        let trajectory = Trajectory::default();
        assert!(mark(&trajectory, 1, 1 << 4));
        assert!(!mark(&trajectory, 1, 1 << 4 | 1 << 2));
        assert_eq!(words(&trajectory), (1 << 32 | 1 << 4 | 1 << 2, 0));
    }

    #[test]
    fn a_late_packet_of_the_old_epoch_does_not_reopen_it() {
        let trajectory = Trajectory::default();
        mark(&trajectory, 2, 1 << 5);
        assert!(!mark(&trajectory, 1, 1 << 6));
        assert_eq!(words(&trajectory).0, 2 << 32 | 1 << 5 | 1 << 6);
    }
}
