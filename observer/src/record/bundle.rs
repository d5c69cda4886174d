//! The folder of one node.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::document::Named;
use super::error::Cause;
use super::{
    BundleError, Link, PacketFile, Routes, Tailscale, document, links, packets, routes, tailscale,
};
use crate::config::{Network, Networks};

const ABOUT: Named = (
    "bundle.json",
    r#"by hand: {"version":1,"node":"n1","cluster_cidr":"10.42.0.0/16"}"#,
);
pub(super) const VERSION: u32 = 1;

/// What one node's folder holds; its captures are not opened yet.
#[derive(Debug)]
pub struct Bundle {
    /// The folder.
    pub folder: PathBuf,
    /// Name of the node.
    pub node: String,
    /// Networks of all pods, one per address family; none if the bundle does not say.
    pub cluster_cidr: Vec<Network>,
    /// Its devices.
    pub links: Vec<Link>,
    /// Its policy rules and routes, as far as they are there.
    pub routes: Routes,
    /// What its tailscaled said, as far as that is there.
    pub tailscale: Tailscale,
    /// Its captures.
    pub packets: Vec<PacketFile>,
    /// True if they show the marks of packets: those of other tools do not.
    pub has_marks: bool,
    /// Frames that its recorder knows to be missing in them, by reason.
    pub lost: Lost,
}

/// Frames that are missing in the captures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Lost {
    /// The kernel had no room for them.
    pub no_room: u64,
    /// The kernel could not describe them.
    pub not_described: u64,
    /// The capture had its full size.
    pub beyond_size: u64,
    /// Their devices have a link layer without a reader.
    pub no_reader: u64,
}

#[derive(Deserialize)]
struct About {
    version: u32,
    node: String,
    #[serde(default)]
    cluster_cidr: Networks,
    #[serde(default)]
    recorded: Recorded,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Recorded {
    marks: bool,
    lost: Lost,
}

impl Bundle {
    /// Reads what stands beside the captures.
    pub fn open(folder: &Path) -> Result<Self, BundleError> {
        let about: About = document::read(folder, ABOUT)?;
        if about.version != VERSION {
            let cause = format!("version {}; version {VERSION} is read", about.version);
            return Err(Cause::Content(cause).of(&folder.join(ABOUT.0)));
        }
        if about.node.is_empty() {
            let cause = "`node` is empty; name the node".to_owned();
            return Err(Cause::Content(cause).of(&folder.join(ABOUT.0)));
        }
        let links = links::read(folder)?;
        Ok(Self {
            folder: folder.to_owned(),
            node: about.node,
            cluster_cidr: about.cluster_cidr.0,
            routes: routes::read(folder, &links)?,
            links,
            tailscale: tailscale::read(folder)?,
            packets: packets::list(&folder.join("packets"))?,
            has_marks: about.recorded.marks,
            lost: about.recorded.lost,
        })
    }
}
