//! Budgets per accounting window: one word {window, spent}, touched only when something is spent.

use crate::abi::control::{Budget, Control};
use crate::cell::Cell64;
use crate::units::low_word;

use super::Tables;
use super::scene::Scene;

/// Takes one unit of a budget; false if the window's is spent.
#[inline(always)]
pub(super) fn take<T: Tables>(scene: Scene<'_, T>, budget: Budget) -> bool {
    take_from(scene.tables, scene.control, budget)
}

/// The same where there is no packet.
#[inline(always)]
pub(super) fn take_from<T: Tables>(tables: &T, control: &Control, budget: Budget) -> bool {
    let Some(word) = tables.budget(budget) else {
        return false;
    };
    let window = tables.jiffies().window(u32::from(control.window_shift));
    let limit = control.limit(budget);
    let held = word.load();
    if low_word(held >> 32) != window {
        // The loser's unit goes uncounted: at most one per CPU and window.
        word.replace(held, (u64::from(window) << 32) | 1);
        return limit > 0;
    }
    if low_word(held) >= limit {
        return false;
    }
    word.add(1);
    true
}
