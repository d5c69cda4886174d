//! Outer flows: who carries what, without VXLAN's source port, which is only entropy.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::key::Address;
use super::point::Site;
use crate::units::low_word;

/// What kind of outer flow a key names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum OuterKind {
    /// VXLAN (RFC 7348) on port 8472 or 4789.
    Vxlan = 1,
    /// WireGuard data messages of one session, by receiver index.
    WireGuard = 2,
    /// WireGuard handshake and cookie messages.
    WireGuardHandshake = 3,
    /// TCP that carries tailscaled's socket mark, to no known relay: DERP or control.
    MarkedTcp = 4,
    /// Later fragments of a datagram between two addresses outside `networks`.
    LaterFragment = 5,
    /// TCP of a known relay, marked or not.
    RelayTcp = 6,
    /// WireGuard data of one session through a peer relay, by receiver index.
    PeerRelay = 7,
    /// Handshakes and discovery through a peer relay, and with it.
    PeerRelayControl = 8,
    /// tailscaled's discovery messages.
    Disco = 9,
    /// WireGuard data messages of one session inside VXLAN, by receiver index: tailscaled uses the pod
    /// network as its road. The ends are the inner ones.
    OverlayWireGuard = 10,
    /// Handshakes, discovery and peer relays' messages inside VXLAN, by the inner ends.
    OverlayControl = 11,
    /// STUN messages, inside VXLAN by the inner ends.
    Stun = 12,
}

/// Key of `outer_flows`.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct OuterKey {
    /// Outer source address.
    pub source: Address,
    /// Outer destination address.
    pub destination: Address,
    /// WireGuard receiver index as on the wire; the far end's port of TCP; the virtual network
    /// identifier of a peer relay's control; [`Within`] as a word of VXLAN; else 0.
    pub session: u32,
    /// Observation point.
    pub point: u8,
    /// [`super::point::Hook`]: the direction of an outer flow is that of its device.
    pub hook: u8,
    /// An [`OuterKind`].
    pub kind: u8,
    /// 1 if the packets carry tailscaled's socket mark, which only an underlay's egress shows; kept
    /// for opaque kinds alone.
    pub marked: u8,
}

const _: () = assert!(size_of::<OuterKey>() == 40);

impl OuterKey {
    /// A key without session.
    #[inline(always)]
    #[must_use]
    pub const fn new(site: Site, kind: OuterKind, source: Address, destination: Address) -> Self {
        Self {
            source,
            destination,
            session: 0,
            point: site.point as u8,
            hook: site.hook as u8,
            kind: kind as u8,
            marked: 0,
        }
    }

    /// What a biflow remembers of its outer flow at a point: never 0, the point itself left out.
    #[inline(always)]
    #[must_use]
    pub const fn hash(&self) -> u32 {
        hash(&self.source, &self.destination, self.kind) ^ spread(self.session)
    }
}

impl OuterKind {
    /// [`OuterKey::hash`] without making the key.
    #[inline(always)]
    #[must_use]
    pub const fn hash(self, source: &Address, destination: &Address, session: u32) -> u32 {
        hash(source, destination, self as u8) ^ spread(session)
    }
}

/// What lies between the outermost VXLAN packet and the innermost packet: the VXLAN packets that it
/// carries, and the L3 bytes that these put around the innermost one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Within(u32);

impl Within {
    /// The outermost VXLAN packet carries the innermost packet itself.
    pub const NOTHING: Self = Self(0);
    const LAYER: u32 = 1 << 16;
    const BYTES: u32 = Self::LAYER - 1;

    /// One more VXLAN packet of so many bytes of headers, its inner Ethernet header included.
    #[inline(always)]
    #[must_use]
    pub const fn and(self, bytes: u32) -> Self {
        let sum = (self.0 & Self::BYTES) + (bytes & Self::BYTES);
        let layers = (self.0 & !Self::BYTES).wrapping_add(Self::LAYER);
        Self(layers | (sum & Self::BYTES))
    }

    /// Number of VXLAN packets.
    #[must_use]
    pub const fn layers(self) -> u32 {
        self.0 >> 16
    }

    /// L3 bytes of their headers.
    #[must_use]
    pub const fn bytes(self) -> u32 {
        self.0 & Self::BYTES
    }

    /// From the word in a map.
    #[must_use]
    pub const fn from_word(word: u32) -> Self {
        Self(word)
    }

    /// The word in a map: {VXLAN packets u16, bytes u16}, the number in the high half.
    #[inline(always)]
    #[must_use]
    pub const fn word(self) -> u32 {
        self.0
    }
}

/// Multiplier of the 64-bit finaliser, an odd number with evenly spread bits (golden ratio).
pub(crate) const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// A session's part of a hash, whose lowest bit is not its own: 0 of 0.
#[inline(always)]
const fn spread(session: u32) -> u32 {
    session << 1
}

#[inline(always)]
const fn hash(source: &Address, destination: &Address, kind: u8) -> u32 {
    let [a, b] = source.words();
    let [c, d] = destination.words();
    let mut word = (a ^ kind as u64).wrapping_mul(SPREAD);
    word = (word ^ (word >> 32) ^ b).wrapping_mul(SPREAD);
    word = (word ^ (word >> 32) ^ c).wrapping_mul(SPREAD);
    word = (word ^ (word >> 32) ^ d).wrapping_mul(SPREAD);
    low_word(word >> 32) | 1
}

/// Value of `outer_flows`.
#[derive(Clone, Debug, Default, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct OuterFlow<W64> {
    /// Monotonic nanoseconds of the first packet.
    pub first_seen: W64,
    /// Accounting window of the last packet, see [`crate::units::Jiffies::window`]. For VXLAN only
    /// the last *change* of a biflow towards this outer flow: steady traffic does not look it up.
    pub last_seen: W64,
    /// Packets on the wire; not kept for VXLAN.
    pub packets: W64,
    /// L3 bytes; not kept for VXLAN.
    pub bytes: W64,
    /// Packets that were fragments.
    pub fragments: W64,
    /// Path of the biflow that made the entry; 0 for opaque kinds.
    pub path: W64,
}

const _: () = assert!(size_of::<OuterFlow<u64>>() == 48);

/// An outer flow copied out of its map.
pub type OuterFlowRecord = OuterFlow<u64>;
