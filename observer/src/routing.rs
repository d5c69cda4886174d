//! The kernel's own answers: route look-ups with policy rules, tables, neighbours and forwarding
//! entries, and the chain of them that leads from a pod to its VTEP.
//!
//! Never: a simulated look-up, a cached answer, a write (its socket can only ask).

mod neighbour;
mod nodes;
mod overlay;
mod question;
mod table;
mod underlay;

use netlink_packet_route::RouteNetlinkMessage;

pub use neighbour::{FdbEntry, Mac, Neighbour, NeighbourState};
pub use nodes::node_addresses;
pub use overlay::{OverlayEnd, OverlayRoad};
pub use question::{RouteAnswer, RouteKind, RouteQuestion};
pub use table::{MAIN_TABLE, PolicyRule, RuleAction, TAILSCALE_TABLE, TableRoute};
pub use underlay::{UnderlayRules, underlay_kind};

pub use crate::interfaces::NetlinkError;
use crate::interfaces::netlink::{Netlink, Question};

/// How often a table is read at most when changes fall into the answer.
const ATTEMPTS: u32 = 4;

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

    /// All entries of a table. Asks again while changes fall into the answer; after the last
    /// attempt an entry that is just changing may be missing.
    fn all(
        &mut self,
        what: &str,
        question: &Question,
    ) -> Result<Vec<RouteNetlinkMessage>, NetlinkError> {
        let mut dump = self.netlink.dump(what, question.clone())?;
        for _ in 1..ATTEMPTS {
            if !dump.interrupted {
                break;
            }
            dump = self.netlink.dump(what, question.clone())?;
        }
        Ok(dump.entries)
    }
}
