//! Deals numbers, addresses and keys from a seed: the same seed gives the same lab.
//! It knows ranges and that nothing is dealt twice, but no topology.

use std::collections::HashSet;
use std::net::Ipv4Addr;

/// A seeded source of distinct values.
#[derive(Debug)]
pub(crate) struct Deal {
    random: fastrand::Rng,
    used: HashSet<(&'static str, u32)>,
}

impl Deal {
    /// A deal that depends on the seed only.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            random: fastrand::Rng::with_seed(seed),
            used: HashSet::new(),
        }
    }

    /// A number of `from..=to` not dealt before for the same purpose. The range must be wider than
    /// the number of calls.
    pub(crate) fn number(&mut self, purpose: &'static str, from: u8, to: u8) -> u8 {
        loop {
            let number = self.random.u8(from..=to);
            if self.used.insert((purpose, u32::from(number))) {
                return number;
            }
        }
    }

    /// An address of the tailnet range that Tailscale itself would give to a node.
    pub(crate) fn tailnet_address(&mut self) -> Ipv4Addr {
        loop {
            // 100.100 holds MagicDNS and 100.115 the range reserved for ChromeOS.
            let second = self.random.u8(64..=99);
            let address = Ipv4Addr::new(100, second, self.random.u8(..), self.random.u8(2..=250));
            if self.used.insert(("tailnet", address.to_bits())) {
                return address;
            }
        }
    }

    /// A unicast, locally administered MAC address, as flannel and the CNI make them.
    pub(crate) fn mac(&mut self) -> String {
        let mut bytes = [0_u8; 6];
        self.random.fill(&mut bytes);
        let [first, rest @ ..] = bytes;
        let first = (first & 0xfe) | 0x02;
        let rest: Vec<String> = rest.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{first:02x}:{}", rest.join(":"))
    }

    /// A host veth name as the bridge plugin makes them.
    pub(crate) fn veth(&mut self) -> String {
        loop {
            let number = self.random.u32(..);
            if self.used.insert(("veth", number)) {
                return format!("veth{number:08x}");
            }
        }
    }

    /// A private key; good enough for a tunnel that never leaves the machine.
    pub(crate) fn key(&mut self) -> [u8; 32] {
        let mut key = [0; 32];
        self.random.fill(&mut key);
        key
    }

    /// A session number of a peer relay, of 24 bits.
    pub(crate) fn vni(&mut self) -> u32 {
        loop {
            let number = self.random.u32(1..1 << 24);
            if self.used.insert(("vni", number)) {
                return number;
            }
        }
    }

    /// Shuffles in place.
    pub(crate) fn shuffle<T>(&mut self, values: &mut [T]) {
        self.random.shuffle(values);
    }
}

#[cfg(test)]
mod tests {
    use super::Deal;

    #[test]
    fn numbers_of_one_purpose_are_distinct() {
        let mut deal = Deal::new(7);
        let mut seen: Vec<u8> = (0..100).map(|_| deal.number("a", 1, 100)).collect();
        seen.sort_unstable();
        assert_eq!(seen, (1..=100).collect::<Vec<u8>>());
    }

    #[test]
    fn mac_is_unicast_and_local() {
        let mac = Deal::new(3).mac();
        let first = u8::from_str_radix(&mac[..2], 16).expect("hex");
        assert_eq!((first & 3, mac.len()), (2, 17));
    }
}
