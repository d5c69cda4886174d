//! What the real lab needs of the machine, asked before anything is made. It installs nothing.

use std::env;
use std::path::Path;

use crate::components::{Binaries, Missing};
use crate::lab::LabError;

/// Programs of the distribution, with their Debian packages and who needs them.
const TOOLS: [(&str, &str, &str); 3] = [
    ("ip", "iproute2", "the lab"),
    ("nft", "nftables", "the lab, flanneld and tailscaled"),
    (
        "iptables",
        "iptables",
        "flanneld, which clears old rules by it even where it uses nftables",
    ),
];

/// What tailscaled makes its device from.
const TUN: &str = "/dev/net/tun";

/// Why the lab cannot be built here; none if it can. The same words for the same lack.
#[must_use]
pub fn lack() -> Option<String> {
    if !crate::root::is_root() {
        return Some("not root".to_owned());
    }
    if !Path::new(TUN).exists() {
        return Some(format!("no {TUN}"));
    }
    let mut tools = TOOLS.iter();
    if let Some((tool, ..)) = tools.find(|(tool, ..)| !is_on_path(tool)) {
        return Some(format!("no {tool}"));
    }
    Binaries::find()
        .is_err()
        .then(|| Missing::REASON.to_owned())
}

/// The programs, or an error that says what to install.
pub fn programs() -> Result<Binaries, LabError> {
    for (tool, package, user) in TOOLS {
        if !is_on_path(tool) {
            return Err(LabError::Refused(format!(
                "the real lab needs the program {tool}, for {user}; on Debian: \
                 apt-get install {package}"
            )));
        }
    }
    if !Path::new(TUN).exists() {
        return Err(LabError::Refused(format!(
            "the real lab needs {TUN}, for tailscaled; `modprobe tun` makes it, and a container \
             needs it passed in"
        )));
    }
    Binaries::find().map_err(|cause| LabError::Refused(cause.to_string()))
}

/// Whether a program is in a folder of the path.
fn is_on_path(tool: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(tool).is_file())
}

#[cfg(test)]
mod tests {
    use super::is_on_path;

    #[test]
    fn a_program_is_looked_for_in_every_folder() {
        assert!(is_on_path("sh"));
        assert!(!is_on_path("no-such-program-anywhere"));
    }
}
