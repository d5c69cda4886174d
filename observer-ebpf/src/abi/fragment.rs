//! What the first fragment of a packet says of the later ones, which have no ports (RFC 791, RFC 8200).

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::key::{Address, Endpoint, Family, FlowKey, FlowKind};
use super::point::FlowDirection;

/// Entries of `fragments`.
pub const FRAGMENTS: u32 = 8192;

/// Key of `fragments`: one packet that was cut, as long as its identification is not used again.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct FragmentKey {
    /// Source address.
    pub source: Address,
    /// Destination address.
    pub destination: Address,
    /// Identification, of IPv4 16 bits of it.
    pub identification: u32,
    /// Protocol of IPv4, which is a part of the identity there; 0 of IPv6, where fragments may name the
    /// first header that was cut instead.
    pub protocol: u8,
    /// A [`Family`].
    pub family: u8,
    /// Zero.
    pub reserved: [u8; 2],
}

/// Value of `fragments`: what a first fragment's transport header says.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct FirstFragment {
    /// Source port as the flow's key has it.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
    /// IP protocol number. A whole word: the compiler would zero bytes beside it by misaligned stores,
    /// which the verifier refuses.
    pub protocol: u32,
}

const _: () = {
    assert!(size_of::<FragmentKey>() == 40);
    assert!(size_of::<FirstFragment>() == 8);
};

impl FragmentKey {
    /// The key of a fragment, from its flow's or its own key, its direction and its identification.
    #[inline(always)]
    #[must_use]
    pub const fn of(key: &FlowKey, direction: FlowDirection, identification: u32) -> Self {
        let (source, destination) = key.ends(direction);
        Self {
            source,
            destination,
            identification,
            protocol: if key.family == Family::V4 as u8 {
                key.protocol
            } else {
                0
            },
            family: key.family,
            reserved: [0; 2],
        }
    }
}

impl FirstFragment {
    /// What a first fragment of a flow and direction says.
    #[inline(always)]
    #[must_use]
    pub const fn of(key: &FlowKey, direction: FlowDirection) -> Self {
        let (low, high) = (
            u16::from_be_bytes(key.low_port),
            u16::from_be_bytes(key.high_port),
        );
        let (source_port, destination_port) = match direction {
            FlowDirection::LowToHigh => (low, high),
            FlowDirection::HighToLow => (high, low),
        };
        Self {
            source_port,
            destination_port,
            protocol: key.protocol as u32,
        }
    }

    /// The flow that all fragments belong to.
    #[inline(always)]
    #[must_use]
    pub fn flow(self, fragment: &FragmentKey) -> (FlowKey, FlowDirection) {
        let end = |address, port| Endpoint { address, port };
        let mut key = FlowKey {
            protocol: self.protocol.to_le_bytes()[0],
            kind: FlowKind::Flow as u8,
            family: fragment.family,
            ..FlowKey::EMPTY
        };
        let direction = key.set_ends(
            end(fragment.source, self.source_port),
            end(fragment.destination, self.destination_port),
        );
        (key, direction)
    }
}
