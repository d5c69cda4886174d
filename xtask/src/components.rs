//! The programs that the real lab runs, built from the Go modules of their own projects at pinned,
//! checksummed versions, and kept outside the checkout. It never starts any of them, and nothing
//! builds them but [`run`], which is `cargo xtask lab build`.

pub mod binaries;
pub mod build;
pub mod error;
pub mod go;
pub mod key;
pub mod table;
mod tally;

use std::time::Instant;

use clap::Args;

use crate::report;
pub use binaries::{Binaries, Missing};
pub use error::ComponentsError;
use table::Component;

/// Which components are to be built.
#[derive(Debug, Args)]
pub struct BuildArgs {
    /// Only this component: tailscale, headscale, flannel, cni or etcd; may be given more than once
    #[arg(long, value_name = "NAME", value_parser = table::named)]
    pub only: Vec<&'static Component>,
}

/// Builds what is not in the cache and says where everything is.
///
/// # Errors
/// When something is to be built and Go is absent or too old, or a build fails; what was built
/// before it stays.
pub fn run(arguments: &BuildArgs) -> Result<(), ComponentsError> {
    let started = Instant::now();
    let cache = key::cache();
    let mut built = Vec::new();
    for component in table::COMPONENTS {
        if arguments.only.is_empty() || arguments.only.contains(&component) {
            built.push(build::build(component, &cache)?);
        }
    }
    report::line(tally::render(&built, started.elapsed()));
    Ok(())
}
