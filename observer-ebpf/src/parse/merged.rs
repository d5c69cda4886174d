//! A look at a VXLAN datagram behind the first one of a merged UDP buffer: whose inner packet it
//! holds, and whether that is a fragment. No ports, no timing, no tunnel inside.

use crate::abi::key::Address;

use super::Fragment;
use super::ip::{addresses, fragment};
use super::tunnel::{VXLAN_HEADER, VXLAN_VALID};

const ETHERNET: usize = 14;
const IPV4: usize = VXLAN_HEADER + ETHERNET;
const IPV6: usize = IPV4;
const IPV6_FRAGMENT: u8 = 44;
/// Bytes of a datagram that hold all that is looked at where the inner packet is IPv4.
const IPV4_END: usize = IPV4 + 20;
/// The same of IPv6 without a fragment header.
const IPV6_END: usize = IPV6 + 40;
/// Bytes of a datagram that are looked at: VXLAN, Ethernet, IPv6 and its fragment header.
pub const GLANCE: usize = IPV6_END + 8;

/// What a glance at a datagram shows of its inner packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Glance {
    /// Source address.
    pub source: Address,
    /// Destination address.
    pub destination: Address,
    /// Fragmentation.
    pub fragment: Fragment,
}

/// Looks at a datagram of `length` bytes, whose head stands in `head`: what lies behind its end there
/// means nothing. None if no IP packet inside VXLAN is in sight.
#[inline(always)]
#[must_use]
pub fn glance(head: &[u8; GLANCE], length: u32) -> Option<Glance> {
    let length = length as usize;
    if length < IPV4_END || head[0] & VXLAN_VALID == 0 {
        return None;
    }
    match (u16::from_be_bytes([head[20], head[21]]), head[IPV4] >> 4) {
        (0x0800, 4) => {
            let fragmentation = u16::from_be_bytes([head[28], head[29]]);
            Some(Glance {
                source: Address::v4([head[34], head[35], head[36], head[37]]),
                destination: Address::v4([head[38], head[39], head[40], head[41]]),
                fragment: fragment(fragmentation & 0x1fff, fragmentation & 0x2000 != 0),
            })
        }
        (0x86dd, 6) if length >= IPV6_END => {
            let (source, destination) = addresses(head.get(IPV6..IPV6_END)?.first_chunk()?)?;
            let is_cut = head[IPV6 + 6] == IPV6_FRAGMENT;
            if is_cut && length < GLANCE {
                return None;
            }
            let word = u16::from_be_bytes([head[IPV6_END + 2], head[IPV6_END + 3]]);
            Some(Glance {
                source,
                destination,
                fragment: if is_cut {
                    fragment(word >> 3, word & 1 != 0)
                } else {
                    Fragment::None
                },
            })
        }
        _ => None,
    }
}
