//! From a target's name to its code. Each target reads bytes that come from elsewhere, by the code
//! that reads them in the agent.

use crate::outcomes::{Outcome, Saw};
use crate::target::Target;
use crate::{
    bundle, capture_seeds, captures, frame, frame_seeds, kinds, netlink, netlink_seeds, records,
    settings,
};

/// Gives one input to a target; panics where something is wrong.
pub(crate) fn run(target: Target, input: &[u8], saw: Saw<'_>) {
    match target {
        Target::Frame => frame::run(input, saw),
        Target::Captures => captures::run(input, saw),
        Target::Bundle => bundle::run(input, saw),
        Target::Netlink => netlink::run(input, saw),
        Target::Records => records::run(input, saw),
        Target::Settings => settings::run(input, saw),
    }
}

/// Inputs to begin with, by name.
pub(crate) fn seeds(target: Target, seed: u64) -> Vec<(String, Vec<u8>)> {
    match target {
        Target::Frame => frame_seeds::seeds(seed),
        Target::Captures => capture_seeds::seeds(),
        Target::Bundle => bundle::seeds(),
        Target::Netlink => netlink_seeds::seeds(),
        Target::Records => records::seeds(),
        Target::Settings => settings::seeds(),
    }
}

/// What these inputs must reach.
pub(crate) fn wanted(target: Target) -> Vec<Outcome> {
    match target {
        Target::Frame => kinds::wanted(),
        Target::Captures => captures::wanted(),
        Target::Bundle => bundle::wanted(),
        Target::Netlink => netlink::wanted(),
        Target::Records => records::wanted(),
        Target::Settings => settings::wanted(),
    }
}
