//! What user space tells the programs: one entry of a one-element array, read once per packet.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::key::Address;

/// The single entry of `control`. User space replaces it as a whole; each field is read alone.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Control {
    /// What covers all of `networks`.
    pub cover: Cover,
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
    /// Entries of `relays`: without any, TCP is not looked up there.
    pub relays: u32,
    /// 1 while user space has no path number left: new pairs count on the refused path.
    pub paths_full: u32,
}

// One cache line.
const _: () = assert!(size_of::<Control>() == 64);

/// Per family one prefix that covers all of `networks`: an address outside is never a pod's. IPv6
/// addresses are told apart by their first 64 bits.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Cover {
    ipv6_value: u64,
    ipv6_mask: u64,
    ipv4_value: u32,
    ipv4_mask: u32,
}

impl Cover {
    /// From an IPv4 and an IPv6 prefix, each possibly [`Prefix::NONE`].
    #[must_use]
    pub const fn of(ipv4: &Prefix, ipv6: &Prefix) -> Self {
        Self {
            ipv6_value: ipv6.value.words()[0],
            ipv6_mask: ipv6.mask.words()[0],
            ipv4_value: ipv4.value.low_word(),
            ipv4_mask: ipv4.mask.low_word(),
        }
    }

    /// True if an address may lie in `networks`.
    #[inline(always)]
    #[must_use]
    pub const fn holds(&self, address: &Address) -> bool {
        let [first, _] = address.words();
        if first == 0 {
            address.low_word() & self.ipv4_mask == self.ipv4_value
        } else {
            first & self.ipv6_mask == self.ipv6_value
        }
    }
}

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
