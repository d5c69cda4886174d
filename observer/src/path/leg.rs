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
    /// WireGuard data through peer relays, by relay.
    pub peer_relay: BTreeMap<IpAddr, u64>,
    /// Payload of tailscaled's TCP, by the far end: relays, and control.
    pub tcp: BTreeMap<SocketAddr, u64>,
    /// Discovery messages, by the far end.
    pub disco: BTreeMap<IpAddr, u64>,
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
        sum(&mut self.peer_relay, &more.peer_relay);
        sum(&mut self.tcp, &more.tcp);
        sum(&mut self.disco, &more.disco);
    }

    /// How it was carried, if one carrier accounts for it. One direct session alone is enough for
    /// `direct`: what is missing then was lost on its way out.
    #[must_use]
    pub fn mode(&self) -> RelayMode {
        let [direct, peer_relay, tcp] = [self.direct(), self.peer_relay(), self.relay_tcp()];
        let share = |bytes: u64| (bytes * 100).checked_div(self.tunnel).unwrap_or(0);
        let nothing = |bytes| share(bytes) < NOTHING;
        let all = |bytes| (ALL..=MOST).contains(&share(bytes));
        if nothing(direct) && nothing(peer_relay) && all(tcp) {
            RelayMode::Derp
        } else if nothing(direct) && all(peer_relay) && nothing(tcp) {
            RelayMode::PeerRelay
        } else if nothing(peer_relay)
            && nothing(tcp)
            && (share(direct) >= ALL || (self.direct.len() == 1 && !nothing(direct)))
        {
            RelayMode::Direct
        } else {
            RelayMode::Unknown
        }
    }

    /// Bytes that a mode does not account for: a path with fewer may have gone another way.
    #[must_use]
    pub fn unexplained(&self, mode: RelayMode) -> u64 {
        let [direct, peer_relay, tcp] = [self.direct(), self.peer_relay(), self.relay_tcp()];
        let (own, others) = match mode {
            RelayMode::Direct => (direct, peer_relay + tcp),
            RelayMode::PeerRelay => (peer_relay, direct + tcp),
            RelayMode::Derp => (tcp, direct + peer_relay),
            RelayMode::None | RelayMode::Unknown => (0, 0),
        };
        self.tunnel.saturating_sub(own) + others
    }

    /// Direct WireGuard data to or from all ends.
    #[must_use]
    pub fn direct(&self) -> u64 {
        self.direct.values().sum()
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
            peer_relay: BTreeMap::from([(address(9), peer_relay)]),
            tcp: tcp
                .map(|(last, bytes)| ((address(last), 443).into(), bytes))
                .collect(),
            disco: BTreeMap::new(),
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
