//! What can hang on both hooks of one device of the first node, and a block of traffic with it.

use super::BenchError;
use super::devices::{UNDERLAY, both};
use super::hook::{Answer, Hook};
use super::spec::Spec;
use crate::lab::topology::BRIDGE;

/// Bytes that the kernel keeps of a program's name.
const NAME: usize = 15;

/// Name of a peer in the place of ours with this name.
pub(super) fn beside(place: &str, peer: &Spec) -> String {
    format!("{place}_{}", peer.label)
}

/// Programs on a device, or none.
pub(super) struct Variant {
    pub(super) name: String,
    command: String,
    hooks: Vec<String>,
    /// Buffers that ours counted so far; none for programs that are not ours.
    counted: Option<fn(&Answer) -> u64>,
}

impl Variant {
    fn new(name: &str, command: String, hooks: Vec<String>) -> Self {
        Self {
            name: name.to_owned(),
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
    pub(super) fn yardstick(name: &str) -> Self {
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

    /// Other tools' programs, each on the underlay, then on the bridge.
    pub(super) fn peers(peers: &[Spec]) -> Vec<Self> {
        let on = |(number, peer): (usize, &Spec), [device, place]: [&str; 2]| {
            let programs = [("in", &peer.ingress), ("out", &peer.egress)];
            let hooks = programs.map(|(hook, program)| {
                let shown = program.get(..NAME).unwrap_or(program);
                format!("{device} {hook} {shown}")
            });
            let name = beside(place, peer);
            Self::new(&name, format!("peer-{number} {device}"), hooks.to_vec())
        };
        let places = [[UNDERLAY, "underlay"], [BRIDGE, "bridge"]];
        let numbered = peers.iter().enumerate();
        numbered
            .flat_map(|peer| places.map(|place| on(peer, place)))
            .collect()
    }

    /// None, then what costs next to nothing, ours and the peers'.
    pub(super) fn all(peers: &[Spec]) -> Vec<Self> {
        let mut all = vec![Self::none()];
        all.extend(["empty", "look_up"].map(Self::yardstick));
        all.extend(Self::ours());
        all.extend(Self::peers(peers));
        all
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
