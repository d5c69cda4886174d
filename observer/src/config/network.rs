//! An IP prefix without host bits.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use observer_ebpf::abi::control::Prefix;
use observer_ebpf::abi::key::{Address, NetworkKey};

/// A prefix, IPv4 or IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct Network {
    address: IpAddr,
    length: u8,
}

/// Prefixes with commas between them, one per address family, as k3s takes its cluster's.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct Networks(pub Vec<Network>);

impl TryFrom<String> for Networks {
    type Error = NetworkError;

    fn try_from(text: String) -> Result<Self, NetworkError> {
        text.split(',')
            .map(str::parse)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

/// The text is no prefix.
#[derive(Debug, thiserror::Error)]
#[error("read network `{text}`: {reason}")]
pub struct NetworkError {
    text: String,
    reason: &'static str,
}

impl Network {
    /// An IPv4 prefix of known good form. Host bits are cut.
    #[must_use]
    pub const fn v4([a, b, c, d]: [u8; 4], length: u8) -> Self {
        let bits = u32::from_be_bytes([a, b, c, d]);
        let kept = match u32::MAX.checked_shl(32 - if length > 32 { 32 } else { length } as u32) {
            Some(mask) => bits & mask,
            None => 0,
        };
        Self {
            address: IpAddr::V4(std::net::Ipv4Addr::from_bits(kept)),
            length,
        }
    }

    /// Its key in the kernel's trie: bits counted in the (IPv4-mapped) IPv6 address.
    #[must_use]
    pub fn key(&self) -> NetworkKey {
        NetworkKey {
            length: self.bits(),
            octets: octets(self.address),
        }
    }

    /// As value and mask.
    #[must_use]
    pub fn prefix(&self) -> Prefix {
        let mask = mask(self.bits());
        Prefix {
            value: Address::v6(octets(self.address)),
            mask: Address::v6(mask),
        }
    }

    /// True if the address lies in it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let Prefix { value, mask } = self.prefix();
        Address::from(address).matches(&value, &mask)
    }

    fn bits(&self) -> u32 {
        u32::from(self.length) + if self.address.is_ipv4() { 96 } else { 0 }
    }

    /// The smallest prefix of one family that covers all `networks` of it.
    #[must_use]
    pub fn cover(networks: &[Self], is_ipv4: bool) -> Prefix {
        let mut all = networks
            .iter()
            .filter(|network| network.address.is_ipv4() == is_ipv4);
        let Some(first) = all.next() else {
            return Prefix::NONE;
        };
        let base = u128::from_be_bytes(octets(first.address));
        let bits = all.fold(first.bits(), |bits, network| {
            let common = (base ^ u128::from_be_bytes(octets(network.address))).leading_zeros();
            bits.min(network.bits()).min(common)
        });
        let mask = u128::from_be_bytes(mask(bits));
        Prefix {
            value: Address::v6((base & mask).to_be_bytes()),
            mask: Address::v6(mask.to_be_bytes()),
        }
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let wrong = |reason| NetworkError {
            text: text.to_owned(),
            reason,
        };
        let (address, length) = text
            .split_once('/')
            .ok_or_else(|| wrong("write address/length, as in 10.42.0.0/16"))?;
        let address: IpAddr = address.parse().map_err(|_| wrong("the address is none"))?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let length = length.parse().ok().filter(|length| *length <= most);
        let length = length.ok_or_else(|| wrong("the length is out of range"))?;
        let network = Self { address, length };
        let outside =
            u128::from_be_bytes(octets(address)) & !u128::from_be_bytes(mask(network.bits()));
        if outside != 0 {
            return Err(wrong("bits behind the prefix length are set"));
        }
        Ok(network)
    }
}

impl TryFrom<String> for Network {
    type Error = NetworkError;

    fn try_from(text: String) -> Result<Self, NetworkError> {
        text.parse()
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

fn mask(bits: u32) -> [u8; 16] {
    u128::MAX
        .checked_shl(128 - bits.min(128))
        .unwrap_or(0)
        .to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        text.parse().expect(text)
    }

    #[test]
    fn the_cover_holds_every_network_of_its_family_and_little_else() {
        let networks = [
            network("10.42.0.0/16"),
            network("10.43.0.0/16"),
            network("fd00:42::/56"),
        ];
        let cover = Network::cover(&networks, true);
        let lies = |text: &str| {
            let address: IpAddr = text.parse().expect(text);
            Address::v6(octets(address)).matches(&cover.value, &cover.mask)
        };
        assert!(lies("10.42.255.1") && lies("10.43.0.1"));
        assert!(!lies("10.44.0.1") && !lies("192.168.0.1") && !lies("fd00:42::1"));
        assert_eq!(Network::cover(&networks[..2], false), Prefix::NONE);
    }

    #[test]
    fn a_dual_stack_clusters_networks_are_two_with_a_comma() {
        let read = |text: &str| Networks::try_from(text.to_owned());
        let both = read("10.42.0.0/16,2001:cafe:42::/56").expect("both");
        assert_eq!(
            both.0,
            [network("10.42.0.0/16"), network("2001:cafe:42::/56")]
        );
        for wrong in ["", "10.42.0.0/16,", "10.42.0.0/16;fd00::/8"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn ipv4_prefixes_count_from_bit_96_in_the_trie() {
        assert_eq!(network("10.42.0.0/16").key().length, 112);
        assert_eq!(network("fd00:42::/56").key().length, 56);
        assert_eq!(network("0.0.0.0/0").key().length, 96);
    }
}
