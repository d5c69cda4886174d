//! Signatures of tunnels in a UDP payload: VXLAN (RFC 7348) on flannel's port or the registered one,
//! WireGuard by message type and length, tailscaled's discovery, both through a peer relay, and STUN, by
//! which the ends find each other. Decrypts nothing.

use super::{Bytes, Malformed, Opaque, Packet};

/// Destination port of flannel's VXLAN unless its configuration says otherwise: the kernel's default.
pub const VXLAN_PORT: u16 = 8472;
/// The registered port (RFC 7348, section 8): flannel's where its `Port` says so, as on Windows.
const VXLAN_REGISTERED: u16 = 4789;
/// Bytes of a VXLAN header.
pub(super) const VXLAN_HEADER: usize = 8;
/// The flag that says that the network identifier is valid.
pub(super) const VXLAN_VALID: u8 = 0x08;

/// True of the ports that VXLAN is expected on.
#[inline(always)]
pub(crate) const fn is_vxlan_port(port: u16) -> bool {
    matches!(port, VXLAN_PORT | VXLAN_REGISTERED)
}

/// True if a VXLAN header with a valid identifier stands at `offset`; false if the datagram is
/// something else that uses the port.
#[inline(always)]
pub(super) fn is_vxlan(
    bytes: &impl Bytes,
    (offset, end): (usize, usize),
    packet: &mut Packet,
) -> Result<bool, Malformed> {
    if offset + VXLAN_HEADER > end {
        return Err(Malformed::VxlanShort);
    }
    let header = bytes.need::<VXLAN_HEADER>(offset, packet, Malformed::VxlanShort)?;
    Ok(header[0] & VXLAN_VALID != 0)
}

/// First bytes of WireGuard messages, of a discovery message ("TS", then the first half of a sign) and
/// of a peer relay's Geneve header without options, each as a little-endian word.
mod head {
    pub(super) const INITIATION: u32 = 1;
    pub(super) const RESPONSE: u32 = 2;
    pub(super) const COOKIE: u32 = 3;
    pub(super) const DATA: u32 = 4;
    pub(super) const DISCO: u32 = u32::from_le_bytes([0x54, 0x53, 0xf0, 0x9f]);
    pub(super) const RELAYED_WIREGUARD: u32 = u32::from_le_bytes([0, 0, 0x7a, 0x12]);
    pub(super) const RELAYED_DISCO: u32 = u32::from_le_bytes([0, 0, 0x7a, 0x11]);
    pub(super) const RELAY_CONTROL: u32 = u32::from_le_bytes([0, 0x80, 0x7a, 0x11]);
}

/// Bytes that tell messages apart: all have as many.
const SIGNATURE: usize = 8;
/// The least WireGuard data message: a keepalive.
const KEEPALIVE: usize = 32;
/// The least discovery message (tailscale: disco/disco.go): magic, sender's key, nonce.
const DISCO_LEAST: usize = 62;
/// Bytes of a Geneve header without options (RFC 8926, section 3.4).
const GENEVE_HEADER: usize = 8;
const RELAYED_WIREGUARD_LEAST: usize = GENEVE_HEADER + KEEPALIVE;
const RELAYED_DISCO_LEAST: usize = GENEVE_HEADER + DISCO_LEAST;

/// Bytes of a STUN header, which its length field leaves out (RFC 8489, section 5).
const STUN_HEADER: usize = 20;
const STUN_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

/// What hides others in a UDP payload, and its session: WireGuard by its first four bytes and its
/// length (WireGuard paper, section 5.4), with the receiver index of a data message; discovery; and
/// where nodes' traffic is expected also what goes through a peer relay. Without the length test a
/// port mapping probe (PCP, RFC 6887: 02 00 00 00, 24 bytes) passes for a handshake response.
#[inline(always)]
pub(super) fn signature(
    bytes: &impl Bytes,
    (offset, end): (usize, usize),
    may_be_nodes: bool,
    packet: &mut Packet,
) -> Result<(Opaque, u32), Malformed> {
    let length = end.saturating_sub(offset);
    if length < SIGNATURE {
        return Ok((Opaque::None, 0));
    }
    let first = bytes.need::<SIGNATURE>(offset, packet, Malformed::UdpShort)?;
    Ok(match (word(first), length) {
        (head::INITIATION, 148) | (head::RESPONSE, 92) | (head::COOKIE, 64) => {
            (Opaque::WireGuardHandshake, 0)
        }
        (head::DATA, KEEPALIVE..) => (Opaque::WireGuard, receiver(first)),
        (head::DISCO, DISCO_LEAST..) if is_disco(first) => (Opaque::Disco, 0),
        (head::RELAYED_WIREGUARD, RELAYED_WIREGUARD_LEAST..)
        | (head::RELAYED_DISCO | head::RELAY_CONTROL, RELAYED_DISCO_LEAST..)
            if may_be_nodes && first[7] == 0 =>
        {
            let behind = offset + GENEVE_HEADER;
            let carried = bytes.need::<SIGNATURE>(behind, packet, Malformed::UdpShort)?;
            relayed(first, carried, length - GENEVE_HEADER)
        }
        _ if is_stun(first, length) => (Opaque::Stun, 0),
        _ => (Opaque::None, 0),
    })
}

/// What goes behind a peer relay's header (tailscale: net/packet/geneve.go), `length` bytes of it: the
/// session of WireGuard data, the virtual network of anything else. Without the look inside, somebody
/// else's Geneve would pass for a peer relay's.
#[inline(always)]
fn relayed(header: &[u8; SIGNATURE], carried: &[u8; SIGNATURE], length: usize) -> (Opaque, u32) {
    let control = (Opaque::PeerRelayControl, network(header));
    if word(header) != head::RELAYED_WIREGUARD {
        let is_disco = word(carried) == head::DISCO && is_disco(carried);
        return if is_disco { control } else { (Opaque::None, 0) };
    }
    match (word(carried), length) {
        (head::INITIATION, 148) | (head::RESPONSE, 92) | (head::COOKIE, 64) => control,
        (head::DATA, _) => (Opaque::PeerRelay, receiver(carried)),
        _ => (Opaque::None, 0),
    }
}

/// The end of a discovery message's magic, whose first four bytes are told already.
#[inline(always)]
const fn is_disco(first: &[u8; SIGNATURE]) -> bool {
    first[4] == 0x92 && first[5] == 0xac
}

/// True of a STUN message that fills its datagram: two zero bits, a length in words of four bytes, the
/// cookie.
#[inline(always)]
fn is_stun(first: &[u8; SIGNATURE], length: usize) -> bool {
    let stated = usize::from(u16::from_be_bytes([first[2], first[3]]));
    let cookie = [first[4], first[5], first[6], first[7]];
    cookie == STUN_COOKIE
        && first[0] & 0xc0 == 0
        && stated.is_multiple_of(4)
        && STUN_HEADER + stated == length
}

/// Receiver index of a WireGuard data message.
#[inline(always)]
const fn receiver(first: &[u8; SIGNATURE]) -> u32 {
    u32::from_le_bytes([first[4], first[5], first[6], first[7]])
}

/// Virtual network identifier of a Geneve header.
#[inline(always)]
const fn network(first: &[u8; SIGNATURE]) -> u32 {
    u32::from_be_bytes([0, first[4], first[5], first[6]])
}

#[inline(always)]
const fn word(first: &[u8; SIGNATURE]) -> u32 {
    u32::from_le_bytes([first[0], first[1], first[2], first[3]])
}
