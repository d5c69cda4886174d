//! DERP relays: the TCP servers that carry WireGuard where no direct road is open.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::key::Address;

/// Entries of `relays`.
pub const RELAYS: u32 = 256;

/// Key of `relays`: where a relay listens.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct RelayKey {
    /// Its address.
    pub address: Address,
    /// Its TCP port.
    pub port: u32,
    /// Zero.
    pub reserved: u32,
}

const _: () = assert!(size_of::<RelayKey>() == 24);

impl RelayKey {
    /// The key of a relay's end of a connection.
    #[inline(always)]
    #[must_use]
    pub const fn new(address: Address, port: u16) -> Self {
        Self {
            address,
            port: port as u32,
            reserved: 0,
        }
    }
}
