//! Sequences of frames: what they leave must be the same in kernel and host, and as named.

#[path = "sequences/budgets.rs"]
mod budgets;
#[path = "sequences/dns.rs"]
mod dns;
#[path = "sequences/errors.rs"]
mod errors;
#[path = "sequences/fragments.rs"]
mod fragments;
#[path = "sequences/merged.rs"]
mod merged;
#[path = "sequences/nesting.rs"]
mod nesting;
#[path = "sequences/options.rs"]
mod options;
#[path = "sequences/outer.rs"]
mod outer;
#[path = "sequences/own.rs"]
mod own;
#[path = "sequences/paths.rs"]
mod paths;
#[path = "sequences/relays.rs"]
mod relays;
#[path = "sequences/stun.rs"]
mod stun;
#[path = "sequences/timing.rs"]
mod timing;
#[path = "sequences/translations.rs"]
mod translations;
