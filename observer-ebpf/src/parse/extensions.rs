//! IPv6 extension headers (RFC 8200, section 4): hop-by-hop options, routing, fragment, destination
//! options, in any order. All but the fragment header are stepped over; none is interpreted.

use super::ip::{forget, fragment};
use super::{Bytes, Fragment, Malformed, Packet};

/// Headers of a chain: one of each kind.
const HEADERS: usize = 4;
/// Bytes of a chain, all headers together: a multiple of eight, since each header is.
const CHAIN: usize = 0xf8;
/// Bytes of a fragment header, and the least of any other.
const UNIT: usize = 8;

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const DESTINATION: u8 = 60;

/// Follows the chain that begins at `start` with a header of kind `next`, in a packet that ends at
/// `end`: protocol and fragmentation of `packet`. Answers with the offset of what follows it. A chain
/// beyond [`HEADERS`] or [`CHAIN`] is too deep: the protocol is then the header it was left at.
#[inline(always)]
pub(super) fn step_over(
    bytes: &impl Bytes,
    next: u8,
    (start, end): (usize, usize),
    packet: &mut Packet,
) -> Result<usize, Malformed> {
    let mut next = next;
    let mut chain = 0;
    packet.fragment = Fragment::None;
    for _ in 0..HEADERS {
        // A later fragment has no more headers, whatever its own says of the first one.
        if !is_extension(next) || packet.fragment == Fragment::Later {
            break;
        }
        let short = if next == FRAGMENT {
            Malformed::Ipv6FragmentShort
        } else {
            Malformed::Ipv6ExtensionShort
        };
        let header = bytes.need::<UNIT>(start + chain, packet, short)?;
        let size = if next == FRAGMENT {
            UNIT
        } else {
            UNIT + UNIT * usize::from(header[1])
        };
        if start + chain + size > end {
            return Err(short);
        }
        if chain + size > CHAIN {
            break;
        }
        if next == FRAGMENT {
            let word = u16::from_be_bytes([header[2], header[3]]);
            packet.fragment = fragment(word >> 3, word & 1 != 0);
            packet.identification =
                u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
        }
        next = header[0];
        // The mask changes nothing; the verifier sees no other bound.
        chain = (chain + size) & CHAIN;
    }
    packet.too_deep |= is_extension(next) && packet.fragment != Fragment::Later;
    packet.key.protocol = next;
    // The mask changes nothing.
    Ok(start + (forget(packet, chain) & CHAIN))
}

#[inline(always)]
const fn is_extension(next: u8) -> bool {
    matches!(next, HOP_BY_HOP | ROUTING | FRAGMENT | DESTINATION)
}
