//! Rules: facts in, findings with confidence and one fix out. Pure: no input or output.

mod double_encapsulation;
mod finding;

pub use double_encapsulation::{Endpoint, PairFacts, double_encapsulation};
pub use finding::{Cause, Evidence, Finding, Fix, Subject};
