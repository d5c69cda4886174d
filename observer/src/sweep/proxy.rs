//! Whether a path's packets are those of a tunnel proxy: tailscaled in a pod, whose WireGuard the
//! network carries as it would any pod's. Pure.

use observer_ebpf::abi::biflow::{CARRIES_DISCO, CARRIES_WIREGUARD};

use super::Direction;

/// Sweeps that must show a message: one may be another flow's, as any bit of a trajectory.
const SWEEPS: u8 = 2;

/// What a direction's packets carried in all sweeps so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Carried {
    wireguard: u8,
    disco: u8,
}

impl Carried {
    /// Adds a sweep. Discovery comes every three seconds while data flows, or less: what was seen once
    /// stands for good.
    pub(super) fn add(&mut self, seen: &Direction) {
        let count = |sum: &mut u8, bit: u32| {
            if seen.firm & 1 << bit != 0 {
                *sum = SWEEPS;
            } else if seen.bits & 1 << bit != 0 {
                *sum = sum.saturating_add(1);
            }
        };
        count(&mut self.wireguard, CARRIES_WIREGUARD);
        count(&mut self.disco, CARRIES_DISCO);
    }

    /// True if there is a proxy of Tailscale at an end: WireGuard without discovery is somebody's VPN.
    pub(super) const fn is_proxy(self) -> bool {
        self.wireguard >= SWEEPS && self.disco >= SWEEPS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIREGUARD: u32 = 1 << CARRIES_WIREGUARD;
    const DISCO: u32 = 1 << CARRIES_DISCO;

    fn is_proxy(sweeps: &[(u32, u32)]) -> bool {
        let mut carried = Carried::default();
        for &(bits, firm) in sweeps {
            carried.add(&Direction {
                bits,
                firm,
                ..Direction::default()
            });
        }
        carried.is_proxy()
    }

    #[test]
    fn wireguard_and_discovery_in_two_sweeps_each_are_a_proxys() {
        let both = WIREGUARD | DISCO;
        assert!(is_proxy(&[(both, both)]));
        assert!(is_proxy(&[(both, 0), (WIREGUARD, 0), (1, 0), (DISCO, 0)]));
        assert!(!is_proxy(&[(both, 0)]), "one sweep may be another flow's");
        assert!(!is_proxy(&[(both, WIREGUARD), (WIREGUARD, WIREGUARD)]));
    }

    #[test]
    fn a_vpn_without_discovery_and_discovery_without_data_are_no_proxys() {
        assert!(!is_proxy(&[(WIREGUARD, WIREGUARD); 9]));
        assert!(!is_proxy(&[(DISCO, DISCO); 9]));
    }
}
