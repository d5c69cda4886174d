//! Real tailscaled on nodes and inside pods: started, joined, steered by its own command line.
//! What the lab wants to know of it, it asks its `LocalAPI`; it never reads its state files.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use super::await_true::await_true;
use super::{RealLab, control};
use crate::lab::LabError;
use crate::oracle::tailscale::Status;

/// Patience with a daemon; its socket is there within a second.
const PATIENCE: Duration = Duration::from_secs(20);
/// Patience with a path: discovery repeats every few seconds.
const PATH_PATIENCE: Duration = Duration::from_mins(1);

/// How a peer is reached, as its daemon says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Straight, at an address of its own.
    Direct,
    /// Through a DERP server.
    Derp,
    /// Through another machine of the tailnet.
    PeerRelay,
}

/// The port of a node's tailscaled, as packages set it.
pub const PORT: u16 = 41641;

/// Starts the daemon of a node or of a pod and joins the tailnet; its address is then in the state.
pub(super) fn join(
    lab: &RealLab,
    place: &str,
    port: u16,
    variables: &[&str],
) -> Result<Ipv4Addr, LabError> {
    start(lab, place, port, variables)?;
    let (url, key) = (control::url(), lab.key());
    tell(
        lab,
        place,
        &[
            "up",
            &format!("--login-server={url}"),
            &format!("--authkey={key}"),
            &format!("--hostname={place}"),
            "--accept-dns=false",
            "--timeout=60s",
            "--reset",
        ],
    )?;
    let address = tell(lab, place, &["ip", "-4"])?;
    let address = address.trim().parse().map_err(|_| LabError::Answer {
        what: format!("tailscaled of {place} for its address"),
        detail: format!("it says {address}"),
    })?;
    lab.note(|state| {
        state.tailnet.insert(place.to_owned(), address);
    })?;
    Ok(address)
}

/// Starts the daemon alone, with the state that it has.
pub(super) fn start(
    lab: &RealLab,
    place: &str,
    port: u16,
    variables: &[&str],
) -> Result<(), LabError> {
    let folder = lab.folder(place)?;
    let daemon = lab.programs().tailscaled.to_string_lossy().into_owned();
    let (socket, port) = (socket(lab, place), format!("--port={port}"));
    let (socket, folder) = (
        format!("--socket={}", socket.display()),
        format!("--statedir={}", folder.display()),
    );
    let settings = [
        "env",
        "TS_DEBUG_FIREWALL_MODE=nftables",
        "TS_NO_LOGS_NO_SUPPORT=true",
    ];
    let arguments = [
        &*daemon,
        "--tun=tailscale0",
        &port,
        &folder,
        &socket,
        "--no-logs-no-support",
    ];
    let argv = [&settings[..], variables, &arguments[..]].concat();
    lab.start(place, &process(place), &argv)?;
    let path = self::socket(lab, place);
    await_true(&format!("tailscaled of {place}"), PATIENCE, || {
        Ok(path.exists() && tell(lab, place, &["status", "--json"]).is_ok())
    })
}

/// Ends the daemon; its device goes with it.
pub(super) fn stop(lab: &RealLab, place: &str) -> Result<(), LabError> {
    lab.stop(&process(place))
}

/// A command to the daemon; what it printed.
pub(super) fn tell(lab: &RealLab, place: &str, words: &[&str]) -> Result<String, LabError> {
    let client = lab.programs().tailscale.to_string_lossy().into_owned();
    let socket = format!("--socket={}", socket(lab, place).display());
    lab.output(place, &[&[&*client, &socket], words].concat())
}

/// What the daemon says of itself and its peers.
pub(super) fn status(lab: &RealLab, place: &str) -> Result<Status, LabError> {
    Status::of_daemon(&socket(lab, place)).map_err(|cause| LabError::Answer {
        what: format!("tailscaled of {place} for its status"),
        detail: cause.to_string(),
    })
}

/// Waits until a machine reaches another as wanted, keeping the path busy meanwhile.
pub(super) fn await_reach(
    lab: &RealLab,
    from: &str,
    to: &str,
    wanted: Reach,
) -> Result<(), LabError> {
    await_status(lab, from, to, &format!("{wanted:?}"), |peer| {
        peer.reach() == Some(wanted)
    })
}

/// Waits until what a machine says of a peer is as wanted, keeping the path busy meanwhile.
pub(super) fn await_status(
    lab: &RealLab,
    from: &str,
    to: &str,
    what: &str,
    is_so: impl Fn(&super::status::Peer) -> bool,
) -> Result<(), LabError> {
    let _busy = lab.keep_busy(from, lab.tailnet(to)?);
    await_true(
        &format!("{from} to reach {to}: {what}"),
        PATH_PATIENCE,
        || Ok(status(lab, from)?.peer(to).is_some_and(&is_so)),
    )
}

/// The socket of a machine's `LocalAPI`.
pub(super) fn socket(lab: &RealLab, place: &str) -> PathBuf {
    lab.file(place).join("tailscaled.sock")
}

fn process(place: &str) -> String {
    format!("tailscaled-{place}")
}
