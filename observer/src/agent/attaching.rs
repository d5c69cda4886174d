//! Before the first program is attached: which way, and what a killed agent left behind.

use crate::config::Attach;
use crate::kernel::{Way, clear_leftovers};

/// Removes leftovers, and answers with the way to attach. The agent is alone in its namespace.
pub(super) fn begin(attach: Attach) -> Way {
    match clear_leftovers() {
        Ok(cleared) if cleared.filters == 0 => {}
        Ok(cleared) => tracing::info!(
            filters = cleared.filters,
            devices = cleared.devices,
            "removed what an agent that was killed left attached"
        ),
        Err(error) => tracing::warn!("look for what a killed agent left attached: {error}"),
    }
    let way = match attach {
        Attach::Auto => Way::best(),
        Attach::Tcx => Way::Tcx,
        Attach::Clsact => Way::Clsact,
    };
    if way == Way::Clsact {
        tracing::info!("attaching by the clsact qdisc");
    }
    way
}
