//! What user space tells the programs: one entry of a one-element array, read once per packet.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::key::Address;

/// The single entry of `control`. User space replaces it as a whole; each field is read alone.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Control {
    /// Prefixes that together cover all of `networks`: an address outside both is never a pod's.
    pub cover: [Prefix; 2],
    /// Number of the trajectory epoch.
    pub epoch: u32,
    /// Raised after every change of `pairs`.
    pub pairs_version: u32,
    /// Budgets per accounting window, by [`Budget`].
    pub limits: [u32; BUDGETS],
    /// Accounting window = jiffies >> this.
    pub window_shift: u8,
    /// Selection rate of flows whose pair has no rate of its own: one `TSval` in 2^rate.
    pub rate: u8,
    /// Selection rate of ICMP echo.
    pub echo_rate: u8,
    /// 1 if retransmissions are counted at the ports (point 0), 0 if at the bridge.
    pub ports_attached: u8,
    /// Zero.
    pub reserved: [u32; 2],
}

const _: () = assert!(size_of::<Control>() == 104);

/// A prefix as value and mask.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Prefix {
    /// Address with all host bits zero.
    pub value: Address,
    /// Ones where `value` counts.
    pub mask: Address,
}

impl Prefix {
    /// A prefix that no address lies in.
    pub const NONE: Self = Self {
        value: Address::v6([0xff; 16]),
        mask: Address::v6([0; 16]),
    };
}

impl Control {
    /// True if an address may lie in `networks`.
    #[inline(always)]
    #[must_use]
    pub const fn covers(&self, address: &Address) -> bool {
        let [first, second] = &self.cover;
        address.matches(&first.value, &first.mask) || address.matches(&second.value, &second.mask)
    }

    /// The limit of one budget per accounting window.
    #[inline(always)]
    #[must_use]
    pub const fn limit(&self, budget: Budget) -> u32 {
        let [inserts, announcements, round_trips, wakeups, messages] = self.limits;
        match budget {
            Budget::Inserts => inserts,
            Budget::Announcements => announcements,
            Budget::RoundTrips => round_trips,
            Budget::Wakeups => wakeups,
            Budget::Messages => messages,
        }
    }
}

/// Number of budgets.
pub const BUDGETS: usize = 5;

/// Things that cost and that a storm must not multiply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Budget {
    /// New entries in `biflows`.
    Inserts = 0,
    /// Announced flows.
    Announcements = 1,
    /// Selected round trips.
    RoundTrips = 2,
    /// Events submitted with a wake-up: the first packet of a pair without path.
    Wakeups = 3,
    /// Events that tell of a refusal; none unless user space shows them.
    Messages = 4,
}
