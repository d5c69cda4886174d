//! What routers have told the senders on this node of late: numbers and names for a finding's evidence.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::{ends, first_of};
use crate::diagnosis::Evidence;
use crate::path::{Announced, PathReport};

/// The sum of it over some paths.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// ICMP errors.
    pub(super) packets: u64,
    /// The numbers that stood there, bytes.
    pub(super) mtus: BTreeSet<u32>,
    /// Who sent them.
    pub(super) routers: BTreeSet<IpAddr>,
    paths: BTreeSet<String>,
}

impl Told {
    /// Adds what the sender of a path was told, each with the MTU that it names.
    pub(super) fn add<'a>(
        &mut self,
        path: &PathReport,
        told: impl Iterator<Item = (&'a Announced, u32)>,
    ) {
        for (announced, mtu) in told {
            self.packets += announced.packets;
            self.mtus.insert(mtu);
            self.routers.insert(announced.from);
            self.paths.extend(ends(path));
        }
    }

    /// It as a fact; `None` if nobody was told anything.
    pub(super) fn evidence(&self) -> Option<Evidence> {
        let mtus: Vec<_> = self.mtus.iter().map(ToString::to_string).collect();
        let routers: Vec<_> = self.routers.iter().map(ToString::to_string).collect();
        (self.packets > 0).then(|| Evidence {
            id: "announced_mtu",
            text: format!(
                "MTU {} was announced by {} to the sender of {} ({} ICMP errors)",
                mtus.join(", "),
                routers.join(", "),
                first_of(&self.paths),
                self.packets
            ),
        })
    }
}
