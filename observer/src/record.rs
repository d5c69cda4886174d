//! Node bundles: one node's incident as a folder of captures and of what standard tools print.
//! Everything in it is hostile input: lengths are checked before they are believed, and what is
//! refused is named with file and byte offset.
//!
//! Never: a socket, a file written, a meaning given to a packet.

mod bundle;
pub mod capture;
mod document;
mod error;
mod links;
mod merge;
mod packets;

pub use bundle::Bundle;
pub use error::{BundleError, Cause};
pub use links::Link;
pub use merge::{Frame, Merge};
pub use packets::PacketFile;
