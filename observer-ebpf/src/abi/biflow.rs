//! The value of `biflows`: what the kernel keeps per inner flow. User space only reads it, since a
//! map update would replace the whole value and lose what happened meanwhile.

use zerocopy::{FromBytes, Immutable, KnownLayout};

use super::point::{FlowDirection, POINTS};
use crate::units::low_word;

/// State of one biflow. `W32` and `W64` are cells in the step, plain integers in a copy.
#[derive(Clone, Debug, Default, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Biflow<W32, W64> {
    /// [`Assignment`] as a word.
    pub assignment: W32,
    /// `pairs_version` when the flow's path was last looked up.
    pub pairs_version: W32,
    /// Accounting window of the last packet, see [`crate::units::Jiffies::window`].
    pub last_seen: W32,
    /// One bit per (point, hook, direction) whose first packet was announced; never cleared. Bit
    /// number: [`announced_bit`].
    pub announced: W32,
    /// Per flow direction.
    pub trajectory: [Trajectory<W64>; 2],
    /// Per flow direction: {highest sequence end in the high half, `TSval` of that segment}.
    pub fresh: [W64; 2],
    /// Per observation point.
    pub points: [PointState<W32, W64>; POINTS],
    /// Per flow direction, kept at the pod point alone.
    pub tcp: [Tcp<W32>; 2],
    /// Zero. With it an entry of the map, the kernel's 48 bytes and the key before it, is six cache
    /// lines long and begins with one.
    pub reserved: W64,
}

/// Which points one flow direction passed, in two epochs.
#[derive(Clone, Debug, Default, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Trajectory<W64> {
    /// {epoch in the high half, bits in the low half}; bit number: [`trajectory_bit`].
    pub current: W64,
    /// The word that `current` held before its epoch.
    pub previous: W64,
}

impl Trajectory<u64> {
    /// The bits of an epoch: in the current word, or in the previous one if a packet of the next
    /// epoch came already. 0 if nothing passed in it.
    #[must_use]
    pub const fn bits(&self, epoch: u32) -> u32 {
        self.bits_beside(epoch)[0]
    }

    /// The bits of an epoch, and of the other one that is held beside it.
    #[must_use]
    pub const fn bits_beside(&self, epoch: u32) -> [u32; 2] {
        let (current, previous) = (low_word(self.current >> 32), low_word(self.previous >> 32));
        if current == epoch {
            [low_word(self.current), low_word(self.previous)]
        } else if previous == epoch && current == epoch.wrapping_add(1) {
            [low_word(self.previous), low_word(self.current)]
        } else {
            [0, 0]
        }
    }
}

/// TCP facts of one flow direction at the pod point.
#[derive(Clone, Debug, Default, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Tcp<W32> {
    /// Highest acknowledgement number seen. Zero until the black-hole rules need it.
    pub highest_ack: W32,
    /// Segments seen again.
    pub retransmitted: W32,
    /// {largest retransmitted segment in the high half, largest acknowledged one}, L3 bytes.
    pub largest: W32,
    /// [`TcpOptions`] as a word: what its SYN said, and what its segments did since.
    pub options: W32,
}

/// Options of one flow direction (RFC 9293, 7323, 2018).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpOptions {
    /// Largest segment that its sender takes, bytes; 0 = not said.
    pub mss: u16,
    /// Shift of the windows that it announces.
    pub window_scale: u8,
    /// [`Self::MSS`], [`Self::WINDOW_SCALE`], [`Self::SACK_PERMITTED`] and [`Self::SACK_BLOCKS`].
    pub flags: u8,
}

impl TcpOptions {
    /// The SYN had an MSS.
    pub const MSS: u8 = 1;
    /// The SYN had a window scale.
    pub const WINDOW_SCALE: u8 = 2;
    /// The SYN let the other end acknowledge selectively.
    pub const SACK_PERMITTED: u8 = 4;
    /// A segment acknowledged blocks behind a gap: data on its way to the sender of this direction was
    /// lost or overtaken.
    pub const SACK_BLOCKS: u8 = 8;
    /// Nothing was said.
    pub const NONE: Self = Self {
        mss: 0,
        window_scale: 0,
        flags: 0,
    };

    /// True if nothing was said.
    #[inline(always)]
    #[must_use]
    pub const fn is_none(self) -> bool {
        self.flags == 0
    }

    /// From the word in a map: {MSS u16, window scale u8, flags u8}, little-endian.
    #[inline(always)]
    #[must_use]
    pub const fn from_word(word: u32) -> Self {
        let [low, high, window_scale, flags] = word.to_le_bytes();
        Self {
            mss: u16::from_le_bytes([low, high]),
            window_scale,
            flags,
        }
    }

    /// The word in a map.
    #[inline(always)]
    #[must_use]
    pub const fn word(self) -> u32 {
        let [low, high] = self.mss.to_le_bytes();
        u32::from_le_bytes([low, high, self.window_scale, self.flags])
    }
}

/// What one point holds of a biflow, per flow direction.
#[derive(Clone, Debug, Default, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct PointState<W32, W64> {
    /// {probe (`TSval` or echo token) in the high half, ticks in the low half}; ticks 0 = not armed.
    pub armed: [W64; 2],
    /// [`crate::abi::outer::OuterKey::hash`] of the last outer flow; 0 = none.
    pub outer: [W32; 2],
}

const _: () = {
    assert!(size_of::<Biflow<u32, u64>>() == 296);
    assert!(size_of::<Trajectory<u64>>() == 16);
    assert!(size_of::<Tcp<u32>>() == 16);
    assert!(size_of::<PointState<u32, u64>>() == 24);
};

/// A biflow copied out of its map.
pub type BiflowRecord = Biflow<u32, u64>;

/// Which path a flow counts on, how, and how often its round trips are selected. Also the value of
/// `pairs` and `translations`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Assignment {
    /// Path number.
    pub path: u16,
    /// One `TSval` in 2^rate is selected.
    pub rate: u8,
    /// [`Assignment::TURNED`] and [`Assignment::ENTERS_ELSEWHERE`] in `translations`,
    /// [`Assignment::PROVISIONAL`] in `pairs`.
    pub flags: u8,
}

impl Assignment {
    /// The translated flow's ends are in the reverse order of the path's: its low-to-high packets
    /// count as high to low.
    pub const TURNED: u8 = 1;
    /// What leaves by a port under this key has entered by another port under the key that it was
    /// translated from: it counted there.
    pub const ENTERS_ELSEWHERE: u8 = 2;

    /// Flows of this pair may be translated ones, which have another path: they ask again at each
    /// new version.
    pub const PROVISIONAL: u8 = 4;

    /// True if the flow asks again at a new version of `pairs`, not at the next epoch alone.
    #[inline(always)]
    #[must_use]
    pub const fn is_provisional(self) -> bool {
        self.path == super::PATH_UNKNOWN || self.flags & Self::PROVISIONAL != 0
    }

    /// The direction of the path's rows that packets of this flow direction count in.
    #[inline(always)]
    #[must_use]
    pub const fn along(self, direction: FlowDirection) -> FlowDirection {
        if self.flags & Self::TURNED == 0 {
            direction
        } else {
            direction.reverse()
        }
    }

    /// From the word in a map: {path u16, rate u8, flags u8}, little-endian.
    #[inline(always)]
    #[must_use]
    pub const fn from_word(word: u32) -> Self {
        let [low, high, rate, flags] = word.to_le_bytes();
        Self {
            path: u16::from_le_bytes([low, high]),
            rate,
            flags,
        }
    }

    /// The word in a map.
    #[inline(always)]
    #[must_use]
    pub const fn word(self) -> u32 {
        let [low, high] = self.path.to_le_bytes();
        u32::from_le_bytes([low, high, self.rate, self.flags])
    }
}

/// How a packet's inner flow was carried past a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Carriage {
    /// The flow's own IP header was the first one.
    Plain = 0,
    /// Inside VXLAN.
    Vxlan = 1,
}

/// Number of the trajectory bit of (point, carriage, hook): 0..31.
#[inline(always)]
#[must_use]
pub const fn trajectory_bit(site: super::point::Site, carriage: Carriage) -> u32 {
    (site.point as u32) * 4 + (carriage as u32) * 2 + site.hook as u32
}

/// Number of the trajectory bit of a flow direction whose packets are WireGuard data. It stands where
/// (port, VXLAN, ingress) would: at ports VXLAN is not opened.
pub const CARRIES_WIREGUARD: u32 = 2;
/// The same of tailscaled's discovery, where (port, VXLAN, egress) would stand.
pub const CARRIES_DISCO: u32 = 3;

/// Number of the announced bit of (point, hook, direction): 0..31.
#[inline(always)]
#[must_use]
pub const fn announced_bit(site: super::point::Site, direction: FlowDirection) -> u32 {
    (site.point as u32) * 4 + (site.hook as u32) * 2 + direction as u32
}
