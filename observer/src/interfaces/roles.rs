//! What `assign` answers: which devices are attached at which point, and which are not and why.

use std::fmt;

use observer_ebpf::abi::point::Point;

use super::device::{Device, IfIndex, Kind};

/// Number of underlay points.
pub(super) const UNDERLAYS: usize = 3;

/// The underlay points in the order in which they are given away.
pub(super) const UNDERLAY_POINTS: [Point; UNDERLAYS] =
    [Point::Underlay0, Point::Underlay1, Point::Underlay2];

/// Devices with their points, and named blind spots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roles {
    /// Wanted attachments by device number.
    pub attachments: Vec<Attachment>,
    /// Devices that play a role but cannot be observed.
    pub not_attached: Vec<NotAttached>,
}

impl Roles {
    /// The devices at points 5 to 7.
    #[must_use]
    pub fn underlays(&self) -> [Option<IfIndex>; UNDERLAYS] {
        UNDERLAY_POINTS.map(|point| self.at(point).next().map(|found| found.ifindex))
    }

    /// The attachments at `point`.
    pub fn at(&self, point: Point) -> impl Iterator<Item = &Attachment> {
        self.attachments
            .iter()
            .filter(move |attachment| attachment.point == point)
    }

    /// Where a pod's packets are first seen: its port where ports are attached, else the bridge.
    #[must_use]
    pub fn pod_point(&self) -> Point {
        if self.at(Point::Port).next().is_some() {
            Point::Port
        } else {
            Point::Bridge
        }
    }
}

/// One device at one observation point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// The device's number.
    pub ifindex: IfIndex,
    /// Which device of that number.
    pub incarnation: u64,
    /// The device's name.
    pub name: String,
    /// The observation point.
    pub point: Point,
    /// Its frames begin with an Ethernet header.
    pub link_layer: bool,
}

impl Attachment {
    pub(super) fn new(device: &Device, point: Point) -> Self {
        Self {
            ifindex: device.ifindex,
            incarnation: device.incarnation,
            name: device.name.clone(),
            point,
            link_layer: device.link_layer,
        }
    }
}

/// A blind spot: a device that plays a role and is not observed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAttached {
    /// The device's name.
    pub device: String,
    /// Why.
    pub reason: Reason,
}

impl NotAttached {
    pub(super) fn new(device: &Device, reason: Reason) -> Self {
        Self {
            device: device.name.clone(),
            reason,
        }
    }
}

/// Why a device is not observed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It is named like a device of this role, but is of another kind.
    WrongKind {
        /// The kind its name stands for.
        expected: &'static str,
        /// What it is.
        found: Kind,
    },
    /// An underlay without an Ethernet header, which the underlay programs cannot read.
    NoLinkLayer,
    /// All underlay points are given to other devices.
    UnderlaysTaken,
    /// The bridge has more ports than the setting allows.
    PortLimit {
        /// The setting.
        limit: usize,
    },
}

impl Reason {
    /// Its name in telemetry.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::WrongKind { .. } => "wrong_kind",
            Self::NoLinkLayer => "no_link_layer",
            Self::UnderlaysTaken => "underlays_taken",
            Self::PortLimit { .. } => "port_limit",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongKind { expected, found } => {
                write!(f, "is of kind {found}, its name stands for {expected}")
            }
            Self::NoLinkLayer => f.write_str("underlay without an Ethernet header"),
            Self::UnderlaysTaken => write!(f, "all {UNDERLAYS} underlay points are taken"),
            Self::PortLimit { limit } => {
                write!(f, "more than {limit} pod ports; raise the setting `ports`")
            }
        }
    }
}
