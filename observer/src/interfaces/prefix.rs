//! An address with a prefix length. Never stands for a route.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::Deserialize;

/// An address and the length of the prefix it lies in; the host bits are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct Prefix {
    address: IpAddr,
    length: u8,
}

/// A text or a length that is no prefix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("read network prefix `{0}`: not ADDRESS/LENGTH; write it like 192.168.105.0/24")]
pub struct PrefixError(String);

impl Prefix {
    /// A prefix of at most 32 or 128 bits.
    pub fn new(address: IpAddr, length: u8) -> Result<Self, PrefixError> {
        if length > width(address) {
            return Err(PrefixError(format!("{address}/{length}")));
        }
        Ok(Self { address, length })
    }

    /// The prefix that holds this address alone.
    #[must_use]
    pub const fn host(address: IpAddr) -> Self {
        Self {
            address,
            length: width(address),
        }
    }

    /// All addresses of IPv4.
    #[must_use]
    pub const fn all_ipv4() -> Self {
        Self {
            address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            length: 0,
        }
    }

    /// All addresses of IPv6.
    #[must_use]
    pub const fn all_ipv6() -> Self {
        Self {
            address: IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            length: 0,
        }
    }

    /// The address, host bits included.
    #[must_use]
    pub const fn address(self) -> IpAddr {
        self.address
    }

    /// Number of leading bits that are fixed.
    #[must_use]
    pub const fn length(self) -> u8 {
        self.length
    }

    /// True if `address` is of the same family and shares the fixed bits.
    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        let free = u32::from(width(self.address) - self.length);
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (own.to_bits() ^ other.to_bits())
                    .checked_shr(free)
                    .unwrap_or(0)
                    == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                (own.to_bits() ^ other.to_bits())
                    .checked_shr(free)
                    .unwrap_or(0)
                    == 0
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }

    /// True if the address is a link-local one (RFC 3927, RFC 4291), which a device gives itself.
    #[must_use]
    pub const fn is_link_local(self) -> bool {
        match self.address {
            IpAddr::V4(address) => address.is_link_local(),
            IpAddr::V6(address) => address.is_unicast_link_local(),
        }
    }
}

/// Bits of an address of this family.
const fn width(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

impl FromStr for Prefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let parts = text
            .split_once('/')
            .and_then(|(address, length)| Some((address.parse().ok()?, length.parse().ok()?)));
        let (address, length) = parts.ok_or_else(|| PrefixError(text.to_owned()))?;
        Self::new(address, length)
    }
}

impl TryFrom<String> for Prefix {
    type Error = PrefixError;

    fn try_from(text: String) -> Result<Self, PrefixError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(prefix: &str, address: &str) -> bool {
        let prefix: Prefix = prefix.parse().unwrap();
        prefix.contains(address.parse().unwrap())
    }

    #[test]
    fn a_prefix_holds_the_addresses_that_share_its_bits() {
        assert!(holds("192.168.105.0/24", "192.168.105.255"));
        assert!(!holds("192.168.105.0/24", "192.168.106.0"));
        assert!(holds("192.168.105.7/24", "192.168.105.9"));
        assert!(holds("0.0.0.0/0", "100.64.0.1"));
        assert!(holds("10.42.1.0/32", "10.42.1.0"));
        assert!(!holds("10.42.1.0/32", "10.42.1.1"));
        assert!(holds("fd7a::/16", "fd7a:115c::1"));
        assert!(holds("::/0", "::1"));
    }

    #[test]
    fn a_prefix_holds_no_address_of_the_other_family() {
        assert!(!holds("0.0.0.0/0", "::ffff:10.0.0.1"));
        assert!(!holds("::/0", "10.0.0.1"));
    }

    #[test]
    fn what_is_no_prefix_is_refused() {
        for text in ["10.0.0.0/33", "10.0.0.0", "10.0.0/8", "::/129", "/8", ""] {
            assert!(text.parse::<Prefix>().is_err(), "{text}");
        }
    }
}
