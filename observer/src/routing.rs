//! The kernel's own answers: route look-ups with policy rules, tables, neighbours and forwarding
//! entries, and the chain of them that leads from a pod to its VTEP.
//!
//! Never: a simulated look-up, a cached answer, a write (its socket can only ask).

mod neighbour;
mod overlay;
mod question;
mod table;
mod underlay;

pub use neighbour::{FdbEntry, Mac, Neighbour, NeighbourState};
pub use overlay::{OverlayEnd, OverlayRoad};
pub use question::{RouteAnswer, RouteKind, RouteQuestion};
pub use table::{MAIN_TABLE, PolicyRule, RuleAction, TAILSCALE_TABLE, TableRoute};
pub use underlay::{UnderlayRules, underlay_kind};

pub use crate::interfaces::NetlinkError;
use crate::interfaces::netlink::Netlink;

/// `SO_MARK` of tailscaled's own packets: they pass table 52 by.
pub const BYPASS_MARK: u32 = 0x8_0000;

/// A line to the kernel's tables. Answers come at once: nothing to await, a few microseconds for
/// one entry.
pub struct Routing {
    netlink: Netlink,
}

impl Routing {
    /// Opens a socket in the network namespace of the calling thread.
    pub fn open() -> Result<Self, NetlinkError> {
        let netlink = Netlink::open()?;
        Ok(Self { netlink })
    }
}
