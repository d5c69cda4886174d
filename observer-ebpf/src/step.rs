//! The packet step: what to count, arm, mark and emit for one packet. It is generic over where the
//! cells live and over the clock, so that the kernel, the tests and `replay` run the same source.
//!
//! Never: a packet read (the parser did it), a decision about the packet's fate.

mod announce;
mod announced;
mod arrival;
mod budget;
mod dropped;
mod entry;
mod fragment;
mod further;
mod nesting;
mod observe;
mod opaque;
mod options;
mod outer;
mod quote;
mod refusal;
mod sample;
mod scene;
mod select;
mod size;
mod tables;
mod timing;
mod trajectory;
mod tunnel;

pub use arrival::{Rates, Wires, arrive, note, receive};
pub use dropped::dropped;
pub use further::{Heads, MOST, further, rest};
pub use nesting::is_carrier;
pub use observe::{Frame, count_cut, observe, refuse};
pub use refusal::{Unread, tell_unread};
pub use select::{is_selected, order};
pub use size::{Size, size};
pub use tables::{Inserted, Tables};
