//! The opaque leg: what crossed tailscaled's device in one direction, and as what it left this node or
//! came to it. Compares sums of bytes; knows no path and no time.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use super::RelayMode;

/// Sums of one direction, in bytes of WireGuard messages where nothing else is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leg {
    /// Predicted for the packets at tailscaled's device.
    pub tunnel: u64,
    /// Direct WireGuard data, by the far end.
    pub direct: BTreeMap<IpAddr, u64>,
    /// WireGuard data inside the overlay's VXLAN, by the far end's address in the pods' networks.
    pub overlay: BTreeMap<IpAddr, u64>,
    /// WireGuard data through peer relays, by relay.
    pub peer_relay: BTreeMap<IpAddr, u64>,
    /// Payload of tailscaled's TCP, by the far end: relays, and control.
    pub tcp: BTreeMap<SocketAddr, u64>,
    /// Discovery messages, by the far end.
    pub disco: BTreeMap<IpAddr, u64>,
    /// Data messages by carrier, where they can be counted.
    pub messages: BTreeMap<RelayMode, u64>,
    /// What crossed tailscaled's device to or from each peer.
    pub peers: BTreeMap<IpAddr, Crossed>,
}

/// What crossed tailscaled's device to or from a peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Crossed {
    /// Messages that it makes.
    pub messages: u64,
    /// Their bytes, padding left out.
    pub bytes: u64,
}

/// Below this share of the tunnel's bytes a carrier carries nothing of it, percent.
const NOTHING: u64 = 10;
/// From this share on it carries all of it, percent.
const ALL: u64 = 90;
/// More than this share is not the tunnel's, percent. A message of 96 bytes, the least with TCP in it,
/// takes 162 inside a relay's connection.
const MOST: u64 = 300;

impl Leg {
    /// Adds what another time moved.
    pub fn add(&mut self, more: &Self) {
        fn sum<K: Ord + Copy>(into: &mut BTreeMap<K, u64>, from: &BTreeMap<K, u64>) {
            for (&key, &bytes) in from {
                *into.entry(key).or_default() += bytes;
            }
        }
        self.tunnel += more.tunnel;
        sum(&mut self.direct, &more.direct);
        sum(&mut self.overlay, &more.overlay);
        sum(&mut self.peer_relay, &more.peer_relay);
        sum(&mut self.tcp, &more.tcp);
        sum(&mut self.disco, &more.disco);
        sum(&mut self.messages, &more.messages);
        for (&peer, crossed) in &more.peers {
            self.peers.entry(peer).or_default().add(*crossed);
        }
    }

    /// How it was carried, if one carrier accounts for it. One far end alone is enough for what goes
    /// there without a relay: what is missing then was lost on its way out.
    #[must_use]
    pub fn mode(&self) -> RelayMode {
        let carriers = self.carriers();
        let share = |bytes: u64| (bytes * 100).checked_div(self.tunnel).unwrap_or(0);
        let is_nothing = |bytes| share(bytes) < NOTHING;
        let all = |bytes| (ALL..=MOST).contains(&share(bytes));
        let alone = |bytes, ends: usize| share(bytes) >= ALL || (ends == 1 && !is_nothing(bytes));
        let accounts = |mode, bytes| match mode {
            RelayMode::Direct => alone(bytes, self.direct.len()),
            RelayMode::Overlay => alone(bytes, self.overlay.len()),
            RelayMode::Derp | RelayMode::PeerRelay => all(bytes),
            RelayMode::None | RelayMode::Unknown => false,
        };
        let mut carrying = carriers.iter().filter(|(_, bytes)| !is_nothing(*bytes));
        match (carrying.next(), carrying.next()) {
            (Some(&(mode, bytes)), None) if accounts(mode, bytes) => mode,
            _ => RelayMode::Unknown,
        }
    }

    /// What each mode carried.
    pub(super) fn carriers(&self) -> [(RelayMode, u64); 4] {
        [
            (RelayMode::Direct, self.direct()),
            (RelayMode::Overlay, self.overlay()),
            (RelayMode::PeerRelay, self.peer_relay()),
            (RelayMode::Derp, self.relay_tcp()),
        ]
    }

    /// Bytes that a mode does not account for: a path with fewer may have gone another way.
    #[must_use]
    pub fn unexplained(&self, mode: RelayMode) -> u64 {
        let carriers = self.carriers();
        let Some(&(_, own)) = carriers.iter().find(|(carrier, _)| *carrier == mode) else {
            return self.tunnel;
        };
        let all: u64 = carriers.iter().map(|(_, bytes)| bytes).sum();
        self.tunnel.saturating_sub(own) + (all - own)
    }

    /// Direct WireGuard data to or from all ends.
    #[must_use]
    pub fn direct(&self) -> u64 {
        self.direct.values().sum()
    }

    /// WireGuard data inside VXLAN to or from all ends.
    #[must_use]
    pub fn overlay(&self) -> u64 {
        self.overlay.values().sum()
    }

    /// Data through all peer relays.
    #[must_use]
    pub fn peer_relay(&self) -> u64 {
        self.peer_relay.values().sum()
    }

    /// TCP payload to or from all ends with a share of their own: no keepalives.
    #[must_use]
    pub fn relay_tcp(&self) -> u64 {
        self.relays().map(|(_, bytes)| bytes).sum()
    }

    /// Those ends.
    pub fn relays(&self) -> impl Iterator<Item = (SocketAddr, u64)> + '_ {
        let ends = self.tcp.iter().map(|(&end, &bytes)| (end, bytes));
        ends.filter(|&(_, bytes)| bytes * 100 >= self.tunnel * NOTHING && bytes > 0)
    }
}

impl Crossed {
    /// Adds what another path of the peer moved.
    pub const fn add(&mut self, more: Self) {
        self.messages += more.messages;
        self.bytes += more.bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leg(tunnel: u64, direct: &[u64], peer_relay: u64, tcp: &[u64]) -> Leg {
        let address = |last: u8| IpAddr::from([192, 0, 2, last]);
        let listed =
            |bytes: &[u64]| -> Vec<(u8, u64)> { (1..).zip(bytes.iter().copied()).collect() };
        let direct = listed(direct).into_iter();
        let tcp = listed(tcp).into_iter();
        Leg {
            tunnel,
            direct: direct.map(|(last, bytes)| (address(last), bytes)).collect(),
            overlay: BTreeMap::new(),
            peer_relay: BTreeMap::from([(address(9), peer_relay)]),
            tcp: tcp
                .map(|(last, bytes)| ((address(last), 443).into(), bytes))
                .collect(),
            ..Leg::default()
        }
    }

    #[test]
    fn one_carrier_that_accounts_for_all_names_the_mode() {
        for (leg, mode) in [
            (leg(1_000, &[1_000], 0, &[]), RelayMode::Direct),
            (leg(1_000, &[500, 450], 0, &[]), RelayMode::Direct),
            (leg(1_000, &[], 0, &[1_150]), RelayMode::Derp),
            (leg(1_000, &[99], 0, &[900]), RelayMode::Derp),
            (leg(1_000, &[], 0, &[500, 600]), RelayMode::Derp),
            (leg(1_000, &[], 1_000, &[]), RelayMode::PeerRelay),
            (leg(1_000, &[], 0, &[]), RelayMode::Unknown),
            (leg(0, &[], 0, &[5_000]), RelayMode::Unknown),
        ] {
            assert_eq!(leg.mode(), mode, "{leg:?}");
        }
    }

    #[test]
    fn wireguard_inside_vxlan_is_a_carrier_of_its_own() {
        let over = |tunnel, overlay: &[u64], direct: &[u64]| Leg {
            overlay: leg(0, overlay, 0, &[]).direct,
            ..leg(tunnel, direct, 0, &[])
        };
        for (leg, mode) in [
            (over(1_000, &[1_000], &[]), RelayMode::Overlay),
            (over(1_000, &[400], &[]), RelayMode::Overlay),
            (over(1_000, &[500, 450], &[99]), RelayMode::Overlay),
            (over(1_000, &[400, 400], &[]), RelayMode::Unknown),
            (over(1_000, &[900], &[100]), RelayMode::Unknown),
            (over(1_000, &[99], &[900]), RelayMode::Direct),
        ] {
            assert_eq!(leg.mode(), mode, "{leg:?}");
        }
        let leg = over(1_000, &[950], &[30]);
        assert_eq!(leg.unexplained(RelayMode::Overlay), 50 + 30);
        assert_eq!(leg.unexplained(RelayMode::Direct), 970 + 950);
    }

    #[test]
    fn what_two_carriers_share_or_nobody_accounts_for_is_unknown() {
        for leg in [
            leg(1_000, &[100], 0, &[900]),
            leg(1_000, &[1_000], 0, &[1_000]),
            leg(1_000, &[500], 500, &[]),
            leg(1_000, &[400, 400], 0, &[]),
            leg(1_000, &[], 0, &[899]),
            leg(1_000, &[], 0, &[3_100]),
            leg(1_000, &[], 1_000, &[1_000]),
        ] {
            assert_eq!(leg.mode(), RelayMode::Unknown, "{leg:?}");
        }
    }

    #[test]
    fn one_session_is_direct_though_packets_were_lost_and_keepalives_are_nothing() {
        assert_eq!(leg(1_000, &[400], 0, &[]).mode(), RelayMode::Direct);
        assert_eq!(
            leg(1_000, &[900, 20], 0, &[99, 99]).mode(),
            RelayMode::Direct
        );
        assert_eq!(leg(1_000, &[], 0, &[99; 10]).mode(), RelayMode::Unknown);
    }

    #[test]
    fn what_a_mode_does_not_account_for_is_what_is_missing_and_what_others_carry() {
        let leg = leg(1_000, &[950], 30, &[200]);
        assert_eq!(leg.unexplained(RelayMode::Direct), 50 + 30 + 200);
        assert_eq!(leg.unexplained(RelayMode::Derp), 800 + 950 + 30);
        assert_eq!(leg.unexplained(RelayMode::Unknown), 1_000);
    }
}
