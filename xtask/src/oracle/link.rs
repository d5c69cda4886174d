//! `ip link`: the devices of a namespace with MTU, master and kind.

use serde::{Deserialize, Serialize};

use super::{OracleError, ask};

/// A device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Index.
    pub ifindex: u32,
    /// Name.
    pub ifname: String,
    /// MTU.
    pub mtu: u32,
    /// Operational state, for example `UP`.
    #[serde(default)]
    pub operstate: String,
    /// The bridge it is a port of, if any.
    pub master: Option<String>,
    /// MAC address, where it has one.
    pub address: Option<String>,
    /// Kind-specific data.
    pub linkinfo: Option<LinkInfo>,
}

/// Kind of a device and its data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkInfo {
    /// `bridge`, `vxlan`, `veth`, `tun`.
    pub info_kind: Option<String>,
    /// Its settings as iproute2 writes them.
    pub info_data: Option<serde_json::Value>,
}

/// All devices of a namespace.
pub fn list(netns: &str) -> Result<Vec<Link>, OracleError> {
    let mut command = std::process::Command::new("ip");
    command.args(["-n", netns, "-j", "-d", "link"]);
    ask(command)
}

/// One device of a namespace.
pub fn find(netns: &str, device: &str) -> Result<Option<Link>, OracleError> {
    Ok(list(netns)?.into_iter().find(|link| link.ifname == device))
}
