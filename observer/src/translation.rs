//! Translations (NAT, RFC 8158): which keys one flow has on this node, joined by numbers of its
//! packets that no NAT rewrites, and the path of its real ends for each of them. Pure: time is an
//! argument.
//!
//! Never: a guess from addresses alone, a look into conntrack, a flow of DNS (a Service's port 53
//! is a path of its own).

mod flow;
mod join;
mod known;
mod passage;
mod space;

pub use flow::{Member, Translated, translated};
pub use join::{Joiner, JoinerCounts, Outcome};
pub use known::Known;
pub use passage::Passage;
pub use space::Space;
