//! The other ends of a tunnel: found by `AllowedIPs` on the way out, by endpoint on the way in.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use boringtun::noise::Tunn;
use boringtun::x25519::{PublicKey, StaticSecret};

use super::config::{Config, Way};
use super::disco;

/// One other end.
pub(super) struct Peer {
    /// Its protocol state.
    pub(super) tunnel: Tunn,
    /// Its public key.
    pub(super) key: [u8; 32],
    /// Where it is; the lab's endpoints do not roam.
    pub(super) endpoint: SocketAddr,
    /// The way through the relay, if there is one.
    pub(super) relayed: Option<Way>,
    /// When the endpoint has last answered discovery.
    pub(super) pong: Option<Instant>,
    allowed: Vec<(IpAddr, u8)>,
}

impl Peer {
    /// The way a datagram takes: through the relay while the endpoint does not answer.
    pub(super) fn way(&self, now: Instant) -> Way {
        let direct = Way::Direct(self.endpoint);
        match self.relayed {
            Some(relayed) if !disco::is_trusted(self.pong, now) => relayed,
            Some(_) | None => direct,
        }
    }

    /// Whether the address is in its `AllowedIPs`.
    pub(super) fn allows(&self, address: IpAddr) -> bool {
        self.allowed
            .iter()
            .any(|&(network, prefix)| holds(network, prefix, address))
    }
}

/// All other ends.
pub(super) struct Peers(Vec<Peer>);

impl Peers {
    /// Fresh protocol states for the configured peers.
    pub(super) fn new(config: &Config) -> Self {
        let peers = (0..).zip(&config.peers).map(|(index, peer)| Peer {
            tunnel: Tunn::new(
                StaticSecret::from(config.private_key),
                PublicKey::from(peer.public_key),
                None,
                peer.keepalive_seconds,
                index,
                None,
            ),
            key: peer.public_key,
            endpoint: peer.endpoint,
            relayed: peer.relayed,
            pong: None,
            allowed: peer.allowed.clone(),
        });
        Self(peers.collect())
    }

    /// Every peer.
    pub(super) fn all(&mut self) -> impl Iterator<Item = &mut Peer> {
        self.0.iter_mut()
    }

    /// The peer whose `AllowedIPs` hold the address; the longest prefix wins.
    pub(super) fn owner(&mut self, address: IpAddr) -> Option<&mut Peer> {
        let longest = |peer: &Peer| {
            let matching = peer
                .allowed
                .iter()
                .filter(|(net, len)| holds(*net, *len, address));
            matching.map(|&(_, prefix)| prefix).max()
        };
        let candidates = self.0.iter_mut().filter(|peer| peer.allows(address));
        candidates.max_by_key(|peer| longest(peer))
    }

    /// The peer whose datagrams come this way.
    pub(super) fn at(&mut self, way: Way) -> Option<&mut Peer> {
        let is_its =
            |peer: &&mut Peer| Way::Direct(peer.endpoint) == way || peer.relayed == Some(way);
        self.0.iter_mut().find(is_its)
    }

    /// The peer of a public key.
    pub(super) fn with_key(&mut self, key: &[u8; 32]) -> Option<&mut Peer> {
        self.0.iter_mut().find(|peer| peer.key == *key)
    }
}

/// Whether a network holds an address.
fn holds(network: IpAddr, prefix: u8, address: IpAddr) -> bool {
    let differing = match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            let differing = network.to_bits() ^ address.to_bits();
            u128::from(differing) << 96
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => network.to_bits() ^ address.to_bits(),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return false,
    };
    differing.leading_zeros() >= u32::from(prefix)
}

#[cfg(test)]
mod tests {
    use super::holds;
    use std::net::IpAddr;

    #[test]
    fn prefix_zero_holds_everything_and_32_one_address() {
        let [a, b] = [[100, 64, 0, 1], [100, 64, 0, 2]].map(IpAddr::from);
        assert!(holds(a, 0, b) && holds(a, 32, a) && !holds(a, 32, b) && holds(a, 30, b));
    }

    #[test]
    fn families_are_told_apart() {
        let [a, b, c] = ["fd7a::1", "fd7a::2", "100.64.0.1"].map(|text| text.parse().expect(text));
        let holds = |network: IpAddr, prefix, address: IpAddr| holds(network, prefix, address);
        assert!(holds(a, 0, b) && holds(a, 128, a) && !holds(a, 128, b) && holds(a, 126, b));
        assert!(!holds(a, 0, c) && !holds(c, 0, a));
    }
}
