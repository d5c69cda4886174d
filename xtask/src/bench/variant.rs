//! What can hang on both hooks of one device of the first node, and a block of traffic with it.

use super::BenchError;
use super::devices::{UNDERLAY, both};
use super::hook::{Answer, Hook};
use crate::lab::topology::BRIDGE;

/// Programs on a device, or none.
pub(super) struct Variant {
    pub(super) name: &'static str,
    command: String,
    hooks: Vec<String>,
    /// Buffers that ours counted so far; none for programs that are not ours.
    counted: Option<fn(&Answer) -> u64>,
}

impl Variant {
    fn new(name: &'static str, command: String, hooks: Vec<String>) -> Self {
        Self {
            name,
            command,
            hooks,
            counted: None,
        }
    }

    /// No program at all.
    pub(super) fn none() -> Self {
        Self::new("none", "off".to_owned(), Vec::new())
    }

    /// A yardstick on the underlay.
    pub(super) fn yardstick(name: &'static str) -> Self {
        Self::new(name, format!("{name} {UNDERLAY}"), both(UNDERLAY, name))
    }

    /// Our programs, on the underlay and on the bridge.
    pub(super) fn ours() -> [Self; 2] {
        let underlay = Self {
            counted: Some(|answer| answer.underlay),
            ..Self::new(
                "underlay",
                format!("underlay {UNDERLAY}"),
                both(UNDERLAY, "underlay0_{}"),
            )
        };
        let bridge = Self {
            counted: Some(|answer| answer.bridge),
            ..Self::new(
                "bridge",
                format!("bridge {BRIDGE}"),
                both(BRIDGE, "bridge_{}"),
            )
        };
        [underlay, bridge]
    }

    pub(super) const fn is_ours(&self) -> bool {
        self.counted.is_some()
    }

    /// Drives `traffic` with it; fails if other programs than expected hang there, or ours saw fewer
    /// buffers than `least` says of what was driven.
    pub(super) fn block<T>(
        &self,
        hook: &mut Hook,
        traffic: impl FnOnce() -> Result<T, BenchError>,
        least: impl FnOnce(&T) -> u64,
    ) -> Result<T, BenchError> {
        let before = hook.tell_and_check(&self.command, &self.hooks)?;
        let done = traffic()?;
        let after = hook.tell_and_check("list", &self.hooks)?;
        if let Some(counted) = self.counted {
            let (seen, least) = (counted(&after) - counted(&before), least(&done));
            if seen < least {
                return Err(BenchError::Unexpected {
                    action: format!("count the buffers of a block with {}", self.name),
                    found: format!("{seen} on the pods' path"),
                    expected: format!("at least {least}"),
                });
            }
        }
        Ok(done)
    }
}
