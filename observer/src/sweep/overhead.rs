//! What encapsulation puts around a packet. Pure arithmetic of header lengths.

use std::net::IpAddr;

/// Bytes that a WireGuard message has beside the packet, padding left out.
pub(super) const WIREGUARD: u32 = 32;

const IPV4: u32 = 20;
const IPV6: u32 = 40;
const IPV6_FRAGMENT: u32 = 8;
/// UDP, VXLAN and the inner Ethernet header (RFC 7348).
const VXLAN: u32 = 8 + 8 + 14;

/// L3 bytes that VXLAN to or from this address puts around an inner packet.
pub(super) const fn vxlan(peer: IpAddr) -> u32 {
    match peer {
        IpAddr::V4(_) => IPV4 + VXLAN,
        IpAddr::V6(_) => IPV6 + VXLAN,
    }
}

/// L3 bytes that a VXLAN packet to or from this address takes more when it is cut in two.
pub(super) const fn second_fragment(peer: IpAddr) -> u32 {
    match peer {
        IpAddr::V4(_) => IPV4,
        IpAddr::V6(_) => IPV6 + 2 * IPV6_FRAGMENT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv6_takes_twenty_bytes_more_and_a_header_for_each_fragment() {
        let [four, six] = ["192.0.2.1", "2001:db8::1"].map(|text| text.parse().expect(text));
        assert_eq!([four, six].map(vxlan), [50, 70]);
        // 1,500 bytes in two packets: 1,500 + 20, and 1,500 + 40 + 16.
        assert_eq!([four, six].map(second_fragment), [20, 56]);
    }
}
