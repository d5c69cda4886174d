//! Node bundles: one node's incident as a folder of captures and of what standard tools print.
//! Everything in it is hostile input: lengths are checked before they are believed, and what is
//! refused is named with file and byte offset. [`live`] writes the bundle of this node.
//!
//! Never: a meaning given to a packet; outside [`live`] a socket, or a file written but in the private
//! folder of an unpacked archive.

mod archive;
mod bundle;
pub mod capture;
mod document;
mod error;
mod links;
pub mod live;
mod merge;
mod packets;
mod place;
mod regular;
mod routes;
mod scratch;
mod stop;
mod tailscale;

pub use bundle::{Bundle, Lost};
pub use error::{BundleError, Cause};
pub use links::Link;
pub use merge::{Frame, Merge};
pub use packets::PacketFile;
pub use place::Place;
pub use routes::{NotRead, Routes, THROW};
pub use stop::Stop;
pub use tailscale::{Peer, Tailscale};
