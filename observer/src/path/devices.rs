//! The devices at the observation points: several may share one, as flannel's VXLAN devices of the
//! two address families do. Pure.

use std::collections::BTreeMap;
use std::net::IpAddr;

use observer_ebpf::abi::point::Point;

/// A device at an observation point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its name.
    pub name: String,
    /// Its MTU.
    pub mtu: u32,
    /// The address families that it is for.
    families: Families,
}

impl Device {
    /// One with these addresses, link-local ones left out.
    #[must_use]
    pub fn new(name: &str, mtu: u32, addresses: impl Iterator<Item = IpAddr>) -> Self {
        Self {
            name: name.to_owned(),
            mtu,
            families: Families::of(addresses),
        }
    }
}

/// Address families.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Families {
    ipv4: bool,
    ipv6: bool,
}

impl Families {
    /// Those of the addresses; both if there is none.
    fn of(addresses: impl Iterator<Item = IpAddr>) -> Self {
        let mut held = Self {
            ipv4: false,
            ipv6: false,
        };
        for address in addresses {
            held.ipv4 |= address.is_ipv4();
            held.ipv6 |= address.is_ipv6();
        }
        if held.ipv4 || held.ipv6 {
            held
        } else {
            Self {
                ipv4: true,
                ipv6: true,
            }
        }
    }

    const fn has(self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(_) => self.ipv4,
            IpAddr::V6(_) => self.ipv6,
        }
    }
}

/// Devices by point.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Devices(BTreeMap<Point, Vec<Device>>);

impl Devices {
    /// The only or first device of a point.
    #[must_use]
    pub fn first(&self, point: Point) -> Option<&Device> {
        self.0.get(&point)?.first()
    }

    /// The device of a point that pods' packets to or from an address pass; the first where none is
    /// for its family.
    #[must_use]
    pub fn carrying(&self, point: Point, address: IpAddr) -> Option<&Device> {
        let mut held = self.0.get(&point)?.iter();
        held.find(|device| device.families.has(address))
            .or_else(|| self.first(point))
    }

    /// All devices, point by point.
    pub fn iter(&self) -> impl Iterator<Item = (Point, &Device)> {
        let points = self.0.iter();
        points.flat_map(|(&point, devices)| devices.iter().map(move |device| (point, device)))
    }
}

impl FromIterator<(Point, Device)> for Devices {
    fn from_iter<I: IntoIterator<Item = (Point, Device)>>(places: I) -> Self {
        let mut devices = Self::default();
        for (point, device) in places {
            devices.0.entry(point).or_default().push(device);
        }
        devices
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(name: &str, addresses: &[&str]) -> Device {
        let addresses = addresses.iter().map(|text| text.parse().expect(text));
        Device::new(name, 1_450, addresses)
    }

    #[test]
    fn of_two_overlays_each_family_has_its_own() {
        let devices: Devices = [
            (Point::Overlay, device("flannel-v6.1", &["2001:db8:1::"])),
            (Point::Overlay, device("flannel.1", &["10.42.1.0"])),
            (
                Point::Bridge,
                device("cni0", &["10.42.1.1", "2001:db8:1::1"]),
            ),
            (Point::Tunnel, device("tailscale0", &[])),
        ]
        .into_iter()
        .collect();
        let name = |point, address: &str| {
            let address = address.parse().expect(address);
            devices.carrying(point, address).map(|found| &*found.name)
        };
        for (point, wanted) in [
            (Point::Overlay, ["flannel.1", "flannel-v6.1"]),
            (Point::Bridge, ["cni0"; 2]),
            (Point::Tunnel, ["tailscale0"; 2]),
        ] {
            let found = ["10.42.2.7", "2001:db8:2::7"].map(|address| name(point, address));
            assert_eq!(found, wanted.map(Some), "{point:?}");
        }
        assert_eq!(name(Point::Underlay0, "10.42.2.7"), None);
        assert_eq!(devices.iter().count(), 4);
    }

    #[test]
    fn a_single_overlay_serves_a_family_that_it_has_no_address_of() {
        let devices: Devices = [(Point::Overlay, device("flannel.1", &["10.42.1.0"]))]
            .into_iter()
            .collect();
        let found = devices.carrying(Point::Overlay, "2001:db8::7".parse().expect("address"));
        assert_eq!(found.map(|found| &*found.name), Some("flannel.1"));
    }
}
