//! The folder of one node.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::error::Cause;
use super::{BundleError, Link, PacketFile, document, links, packets};
use crate::config::{Network, Networks};

const ABOUT: &str = "bundle.json";
const VERSION: u32 = 1;

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
    /// Its captures.
    pub packets: Vec<PacketFile>,
}

#[derive(Deserialize)]
struct About {
    version: u32,
    node: String,
    #[serde(default)]
    cluster_cidr: Networks,
}

impl Bundle {
    /// Reads what stands beside the captures.
    pub fn open(folder: &Path) -> Result<Self, BundleError> {
        let about: About = document::read(folder, ABOUT)?;
        if about.version != VERSION {
            let cause = format!("version {}; version {VERSION} is read", about.version);
            return Err(Cause::Content(cause).of(&folder.join(ABOUT)));
        }
        if about.node.is_empty() {
            let cause = "`node` is empty; name the node".to_owned();
            return Err(Cause::Content(cause).of(&folder.join(ABOUT)));
        }
        Ok(Self {
            folder: folder.to_owned(),
            node: about.node,
            cluster_cidr: about.cluster_cidr.0,
            links: links::read(folder)?,
            packets: packets::list(&folder.join("packets"))?,
        })
    }
}
