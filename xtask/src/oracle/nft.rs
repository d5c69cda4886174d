//! Packet and byte counters at the netdev hooks of a device.
//!
//! They count what the hook sees: segmentation-offload packets count once, ingress bytes lack the
//! link header and egress bytes include it. Egress runs just before the TC egress hook, ingress
//! just after the TC ingress hook.

mod packets;

use std::fmt::Display;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{OracleError, ask};
use crate::lab::netns::{self, Tool, batch};

pub use self::packets::{Mark, Packets};

/// A direction of a device, seen from its host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Hook {
    /// Packets the device has received.
    Ingress,
    /// Packets the device is to send.
    Egress,
}

/// What a counter says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// Packets as the hook sees them.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// A counter that is installed; removed when dropped.
#[derive(Debug)]
pub struct Counter {
    netns: String,
    table: String,
}

/// Keeps the tables of one process apart.
static NUMBER: AtomicU32 = AtomicU32::new(0);

impl Counter {
    /// Counts packets of a device: [`Packets`], or any expression of nft, for example
    /// `udp dport 8472`; an empty one fits all.
    pub fn install(
        netns: &str,
        device: &str,
        hook: Hook,
        packets: impl Display,
    ) -> Result<Self, OracleError> {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let table = format!("netpath_oracle_{}_{number}", process::id());
        let hook = match hook {
            Hook::Ingress => "ingress",
            Hook::Egress => "egress",
        };
        let ruleset = format!(
            "table netdev {table} {{
  chain count {{
    type filter hook {hook} device \"{device}\" priority 0; policy accept;
    {packets} counter
  }}
}}"
        );
        batch(Tool::Nft, Some(netns), &[&ruleset])?;
        Ok(Self {
            netns: netns.to_owned(),
            table,
        })
    }

    /// Reads it.
    pub fn read(&self) -> Result<Count, OracleError> {
        let argv = ["nft", "-j", "list", "table", "netdev", &self.table];
        let answer: Value = ask(netns::command(&self.netns, &argv))?;
        find_counter(&answer).ok_or_else(|| OracleError::Form {
            what: format!("table {}", self.table),
            netns: self.netns.clone(),
            reason: "it holds no counter".into(),
        })
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        if !netns::exists(&self.netns) {
            return;
        }
        let line = format!("delete table netdev {}", self.table);
        if let Err(cause) = batch(Tool::Nft, Some(&self.netns), &[&line]) {
            eprintln!("remove an oracle counter: {cause}");
        }
    }
}

/// The first counter of a listing.
fn find_counter(listing: &Value) -> Option<Count> {
    let objects = listing.get("nftables")?.as_array()?;
    let statements = objects
        .iter()
        .filter_map(|object| object.get("rule")?.get("expr")?.as_array());
    let counter = statements
        .flatten()
        .find_map(|statement| statement.get("counter"))?;
    serde_json::from_value(counter.clone()).ok()
}

#[cfg(test)]
mod tests {
    use super::{Count, find_counter};

    #[test]
    fn counter_is_found_behind_its_matches() {
        let listing = serde_json::json!({"nftables": [
            {"metainfo": {"version": "1.0.6"}},
            {"table": {"family": "netdev", "name": "t"}},
            {"rule": {"expr": [{"match": {}}, {"counter": {"packets": 3, "bytes": 250}}]}}
        ]});
        assert_eq!(
            find_counter(&listing),
            Some(Count {
                packets: 3,
                bytes: 250
            })
        );
    }
}
