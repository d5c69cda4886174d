//! Two real DERP servers, each a region of its own with STUN, behind a proxy that can hold what
//! passes. Clients check no certificate: each server makes its own at start.

use std::net::Ipv4Addr;
use std::time::Duration;

use serde::Serialize;

use super::RealLab;
use super::plan::INET;
use crate::lab::LabError;

/// A region of the relay map with its one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Region {
    /// Its number.
    pub id: u16,
    /// Its code, which `tailscale status` shows.
    pub code: &'static str,
    /// The server's address: TLS on [`PORT`], STUN on 3478.
    pub address: Ipv4Addr,
}

/// The regions.
pub const REGIONS: [Region; 2] = [
    Region {
        id: 900,
        code: "near",
        address: Ipv4Addr::new(10, 0, 0, 11),
    },
    Region {
        id: 901,
        code: "far",
        address: Ipv4Addr::new(10, 0, 0, 12),
    },
];

/// The port that clients use: the proxy's.
pub const PORT: u16 = 443;
/// The port of the server behind the proxy.
const BEHIND: u16 = 8443;

/// Configuration of the proxy, `tcp-delay`.
#[derive(Serialize)]
struct Proxy {
    listen: String,
    target: String,
    delay_file: std::path::PathBuf,
}

/// Starts the servers and their proxies.
pub(super) fn start(lab: &RealLab) -> Result<(), LabError> {
    for region in REGIONS {
        let Region { code, address, .. } = region;
        let certificates = lab.folder(&format!("derp-{code}"))?;
        let keys = lab.file(&format!("derp-{code}.key"));
        lab.start(
            INET,
            &format!("derper-{code}"),
            &[
                &lab.programs().derper.to_string_lossy(),
                "-a",
                &format!("{address}:{BEHIND}"),
                "-http-port",
                "-1",
                "-certmode",
                "manual",
                "-hostname",
                &address.to_string(),
                "-certdir",
                &certificates.to_string_lossy(),
                "-c",
                &keys.to_string_lossy(),
                "-home",
                "blank",
            ],
        )?;
        let proxy = Proxy {
            listen: format!("{address}:{PORT}"),
            target: format!("{address}:{BEHIND}"),
            delay_file: lab.file(&knob(region)),
        };
        lab.start_own(INET, "tcp-delay", &format!("derp-delay-{code}"), &proxy)?;
    }
    Ok(())
}

/// Holds what passes a region's relay for so long, each way: a packet from node to node passes twice.
pub(super) fn set_delay(lab: &RealLab, region: Region, delay: Duration) -> Result<(), LabError> {
    lab.set_delay(&knob(region), delay)
}

/// The relay map as headscale reads it.
pub(super) fn map() -> String {
    let regions = REGIONS.map(|Region { id, code, address }| {
        format!(
            "  {id}:
    regionid: {id}
    regioncode: {code}
    regionname: {code}
    nodes:
      - {{name: {id}a, regionid: {id}, hostname: {address}, ipv4: {address}, derpport: {PORT}, \
             stunport: 3478, insecurefortests: true}}
"
        )
    });
    format!("regions:\n{}", regions.concat())
}

fn knob(region: Region) -> String {
    format!("derp-{}.ms", region.code)
}
