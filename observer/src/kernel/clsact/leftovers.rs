//! What an agent that was killed left behind: its filters, and the qdiscs that it made.

use super::questions::Questions;
use crate::interfaces::NetlinkError;

/// What was found and removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leftovers {
    /// Filters.
    pub filters: usize,
    /// Devices that they were on.
    pub devices: usize,
}

/// Removes all filters of ours from all devices of the namespace. No agent may run in it: the filters
/// of one that runs are not told from a dead one's.
pub fn clear_leftovers() -> Result<Leftovers, NetlinkError> {
    let mut ask = Questions::open()?;
    let mut cleared = Leftovers::default();
    for ifindex in ask.devices()? {
        let mut filters = ask.filters(ifindex)?;
        filters.retain(|filter| filter.is_ours());
        for filter in &filters {
            ask.remove(ifindex, *filter)?;
        }
        if filters.iter().any(|filter| filter.is_in_our_qdisc()) {
            ask.remove_empty_qdisc(ifindex)?;
        }
        cleared.filters += filters.len();
        cleared.devices += usize::from(!filters.is_empty());
    }
    Ok(cleared)
}
