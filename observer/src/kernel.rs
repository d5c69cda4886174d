//! The kernel side as the agent sees it: loads the embedded programs, attaches them so that they
//! detach on drop, reads the maps in batches and the event ring.
//!
//! Never: a decision about what a number means, a name of a path, an export.

mod attach;
mod btf;
mod calls;
mod clock;
mod clsact;
mod control;
mod drops;
mod events;
mod object;
mod symbols;
mod table;
mod verifier;
mod xdp;

pub use attach::{AttachError, Attachment, Way};
pub use clock::{jiffy_nanos, monotonic_nanos, wall_nanos};
pub use clsact::{Leftovers, clear_leftovers};
pub use control::ControlPage;
pub use drops::{DropWatch, DropsError};
pub use events::{EventError, Events};
pub use object::{LoadError, Object, Sizes, program_name};
pub use table::{CpuRows, Table, TableError};
pub use xdp::{XdpError, XdpLink, XdpMode, driver, virtio_features, xdp_name};

/// An error and its causes in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
