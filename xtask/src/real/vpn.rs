//! Plain WireGuard between two pods, as VPN clients in pods have it: fixed endpoints, no discovery,
//! no mark. It is no part of the tailnet.

use std::net::{Ipv4Addr, SocketAddr};

use super::RealLab;
use crate::lab::LabError;
use crate::lab::deal::Deal;
use crate::lab::wireguard::{Config, PeerConfig, Start, public_key};

/// The tunnel's device in a pod.
const DEVICE: &str = "wg0";
/// WireGuard's own port (`wg-quick(8)` has no other by default).
const PORT: u16 = 51820;

/// An end of the tunnel.
#[derive(Debug, Clone, Copy)]
pub(super) struct End<'a> {
    /// The pod.
    pub(super) pod: &'a str,
    /// Its address inside the tunnel.
    pub(super) address: Ipv4Addr,
}

/// Connects two pods; both ends answer when this returns.
pub(super) fn connect(lab: &RealLab, ends: [End<'_>; 2], mtu: u32) -> Result<(), LabError> {
    let mut deal = Deal::new(lab.plan().seed);
    let keys = [deal.key(), deal.key()];
    for (own, other) in [(0, 1), (1, 0)] {
        let (end, peer) = (ends[own], ends[other]);
        let config = Config {
            device: DEVICE.into(),
            mtu,
            port: PORT,
            mark: 0,
            private_key: keys[own],
            relay: None,
            peers: vec![PeerConfig {
                name: peer.pod.to_owned(),
                public_key: public_key(keys[other]),
                endpoint: SocketAddr::new(lab.pod(peer.pod)?.address.into(), PORT),
                relayed: None,
                allowed: vec![(peer.address.into(), 32)],
                keepalive_seconds: None,
            }],
            start: Start::Quiet,
            delay_file: lab.file(&format!("wireguard-{}.ms", end.pod)),
        };
        lab.start_own(
            end.pod,
            "wireguard",
            &format!("wireguard-{}", end.pod),
            &config,
        )?;
        lab.await_device(end.pod, DEVICE)?;
        lab.ip(
            end.pod,
            &[
                &format!("addr add {} dev {DEVICE}", end.address),
                &format!("link set {DEVICE} mtu {mtu} up"),
                &format!("route add {} dev {DEVICE}", peer.address),
            ],
        )?;
    }
    Ok(())
}
