//! MTUs that ICMP errors announced on their way to a pod: who said so, about which path.
//!
//! Never: a judgement. Whatever number stood on the wire is the number here.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::key::Address;

/// Entries of `announced`.
pub const ANNOUNCED: u32 = 1_024;

/// Key of `announced`; the value is a number of packets.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct AnnouncedKey {
    /// Who sent the error.
    pub sender: Address,
    /// MTU of the next hop as it stood there, bytes; 0 = none.
    pub mtu: u32,
    /// Path number of the packet that was too long.
    pub path: u16,
    /// That packet's direction along the path.
    pub direction: u8,
    /// Zero.
    pub reserved: u8,
}

const _: () = assert!(size_of::<AnnouncedKey>() == 24);
