//! Rules: facts in, findings with confidence and one fix out. Pure: no input or output.

mod double_encapsulation;
mod finding;
mod mixed_peers;
mod oversize;
mod relay_detour;

pub use double_encapsulation::{Endpoint, PairFacts, double_encapsulation};
pub use finding::{Cause, Evidence, Finding, Fix, Subject};
pub use mixed_peers::{MixedFacts, mixed_peers};
pub use oversize::{
    AnnouncedFacts, OversizeFacts, oversize_blackhole, stale_mtu, stale_mtu_elsewhere,
};
pub use relay_detour::{
    DISCO_COUNTS, DetourFacts, DirectBefore, SilentNeighbour, UserModeNetwork, relay_detour,
};
