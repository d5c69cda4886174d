//! Ethernet II headers (IEEE 802.3, clause 3). Tags are another part's.

use super::ip::Version;
use super::{Bytes, Malformed, NotOurs, Rejected};

/// Bytes of a header.
pub(super) const HEADER: usize = 14;

/// The IP version behind the header at `offset`.
#[inline(always)]
pub(super) fn version(
    bytes: &impl Bytes,
    offset: usize,
    short: Malformed,
) -> Result<Version, Rejected> {
    let Some(header) = bytes.at::<HEADER>(offset) else {
        return Err(Rejected::Malformed(short));
    };
    match u16::from_be_bytes([header[12], header[13]]) {
        0x0800 => Ok(Version::V4),
        0x86dd => Ok(Version::V6),
        _ => Err(Rejected::NotOurs(NotOurs::EtherType)),
    }
}
