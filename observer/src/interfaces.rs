//! Network devices: which exist, which observation point each one is, and what has to be attached
//! or detached for that. `assign` and `plan` are pure; `follow` reads rtnetlink.
//!
//! Never: a write to the kernel of its own, an attachment (the `kernel` module does that), a guess about where
//! packets go (the `routing` module asks that).

mod assign;
pub(crate) mod datagram;
mod decode;
mod device;
mod drivers;
mod follow;
mod incarnation;
pub(crate) mod netlink;
mod plan;
mod prefix;
mod roles;
mod rules;
mod underlay;

pub use assign::assign;
pub use datagram::{Message, messages};
pub use decode::devices;
pub use device::{Device, IfIndex, Kind, Vxlan};
pub use drivers::{Driver, Untried, tried};
pub use follow::{Follower, Snapshot, follow};
pub use netlink::NetlinkError;
pub use plan::{Plan, plan};
pub use prefix::{Prefix, PrefixError};
pub use roles::{Attachment, NotAttached, Reason, Roles};
pub use rules::{NamePattern, PatternError, Rules};
pub use underlay::WantedUnderlays;
