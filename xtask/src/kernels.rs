//! Other kernels than this machine's: Debian's, unpacked and never installed, booted under software
//! emulation with an initramfs of our own that holds programs of this checkout.
//!
//! Never: a change to this machine's kernel, boot loader or packages.

mod archive;
pub(crate) mod boot;
mod error;
pub(crate) mod guest;
mod initramfs;
mod modules;
mod package;

pub use error::KernelsError;
pub use guest::GuestArgs;
pub(crate) use package::{Kernel, SERIES};
