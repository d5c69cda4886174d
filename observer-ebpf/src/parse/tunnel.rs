//! Signatures of tunnels in a UDP payload: VXLAN (RFC 7348) on flannel's port, WireGuard by message
//! type and length. Decrypts nothing.

use super::{Bytes, Malformed, Opaque};

/// Destination port of flannel's VXLAN: the kernel's default, not the registered 4789.
pub const VXLAN_PORT: u16 = 8472;
/// Bytes of a VXLAN header.
pub(super) const VXLAN_HEADER: usize = 8;
/// The flag that says that the network identifier is valid.
const VXLAN_VALID: u8 = 0x08;

/// True if a VXLAN header with a valid identifier stands at `offset`; false if the datagram is
/// something else that uses the port.
#[inline(always)]
pub(super) fn is_vxlan(bytes: &impl Bytes, offset: usize, end: usize) -> Result<bool, Malformed> {
    if offset + VXLAN_HEADER > end {
        return Err(Malformed::VxlanShort);
    }
    let header = bytes
        .at::<VXLAN_HEADER>(offset)
        .ok_or(Malformed::VxlanShort)?;
    Ok(header[0] & VXLAN_VALID != 0)
}

/// WireGuard by its first four bytes and its length (WireGuard paper, section 5.4), with the receiver
/// index of a data message. Without the length test a NAT-PMP probe passes for a handshake response.
#[inline(always)]
pub(super) fn wireguard(
    bytes: &impl Bytes,
    offset: usize,
    end: usize,
) -> Result<(Opaque, u32), Malformed> {
    let length = end.saturating_sub(offset);
    if length < 8 {
        return Ok((Opaque::None, 0));
    }
    let head = bytes.at::<8>(offset).ok_or(Malformed::UdpShort)?;
    let kind = u32::from_le_bytes([head[0], head[1], head[2], head[3]]);
    Ok(match (kind, length) {
        (1, 148) | (2, 92) | (3, 64) => (Opaque::WireGuardHandshake, 0),
        (4, 32..) => (
            Opaque::WireGuard,
            u32::from_le_bytes([head[4], head[5], head[6], head[7]]),
        ),
        _ => (Opaque::None, 0),
    })
}
