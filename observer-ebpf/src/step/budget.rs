//! Budgets per accounting window: one word {window, spent}, touched only when something is spent.

use crate::abi::control::Budget;
use crate::cell::Cell64;
use crate::units::low_word;

use super::Tables;
use super::scene::Scene;

/// Takes one unit of a budget; false if the window's is spent.
#[inline(always)]
pub(super) fn take<T: Tables>(scene: Scene<'_, T>, budget: Budget) -> bool {
    let Some(word) = scene.tables.budget(budget) else {
        return false;
    };
    let (window, limit) = (scene.window(), scene.control.limit(budget));
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
