//! Second opinions about where packets went: counters of the kernel that no eBPF program touches.
//! It only reads, except for nft counter tables of its own, which it removes.

pub mod capture;
mod error;
pub mod link;
mod local_api;
pub mod nft;
pub mod route;
pub mod snmp;
pub mod tailscale;
pub mod usermetrics;

pub use self::capture::{Capture, Captured, Tap};
pub use self::error::OracleError;
pub use self::link::Link;
pub use self::nft::{Count, Counter, Hook, Mark, Packets};
pub use self::route::{Question, Route};
pub use self::snmp::Counters;
pub use self::tailscale::Mode;
pub use self::usermetrics::UserMetrics;

use std::process::Command;

use serde::de::DeserializeOwned;

/// Runs a tool that answers in JSON.
fn ask<T: DeserializeOwned>(mut command: Command) -> Result<T, OracleError> {
    let shown = words(&command);
    let output = match command.output() {
        Ok(output) => output,
        Err(source) => {
            return Err(OracleError::Start {
                command: shown,
                source,
            });
        }
    };
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(OracleError::Refused {
            command: shown,
            stderr,
        });
    }
    serde_json::from_slice(&output.stdout).map_err(|source| OracleError::Answer {
        command: shown,
        source,
    })
}

/// A command as it would be typed.
fn words(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy().into_owned())
        .collect::<Vec<_>>()
        .join(" ")
}
