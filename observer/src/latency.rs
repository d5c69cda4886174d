//! Sampled round trips: joins the records that one packet's reply left at several points into one
//! value per node and side. Time is an argument. Pure: no input or output, no clock.

mod identity;
mod join;
mod lost;
mod pace;
mod records;
mod round_trip;

pub use identity::Identity;
pub(crate) use join::identity;
pub use join::{Joiner, JoinerCounts};
pub use lost::{Half, Lost, Silence, Unanswered};
pub use pace::{BUDGET, Pace, lost_records};
pub use round_trip::{RoundTrip, Side, Sighting};
