//! XDP programs at the underlays that are observed. A device that cannot have one is a named blind
//! spot, and is observed by TC alone.

use super::attachments::Refusal;
use crate::config::Xdp;
use crate::interfaces::{Attachment as Place, Device as Interface, Driver, Kind, tried};
use crate::kernel::{Object, TableError, XdpLink, XdpMode, driver, virtio_features};
use crate::path::WireReport;
use crate::sweep::{Wired, Wires};

/// Programs in place, and what they counted.
pub(super) struct Arrivals {
    choice: Xdp,
    held: Vec<Held>,
    wires: Wires,
}

struct Held {
    place: Place,
    mode: XdpMode,
    _link: XdpLink,
}

impl Arrivals {
    pub(super) fn new(choice: Xdp) -> Self {
        Self {
            choice,
            held: Vec::new(),
            wires: Wires::default(),
        }
    }

    /// Attaches and detaches until the programs are where `places` has underlays; answers with those
    /// that have none.
    pub(super) fn bring_in_line(
        &mut self,
        object: &mut Object,
        places: &[Place],
        devices: &[Interface],
    ) -> Result<Vec<Refusal>, TableError> {
        if self.choice == Xdp::Off {
            return Ok(Vec::new());
        }
        self.wires.update(object.wires()?, &self.wired());
        self.held
            .retain(|held| places.iter().any(|place| is_same(place, &held.place)));
        let before = self.wired();
        let mut refused = Vec::new();
        for place in places.iter().filter(|place| place.point.is_underlay()) {
            if let Some(held) = self
                .held
                .iter_mut()
                .find(|held| is_same(place, &held.place))
            {
                held.place.name.clone_from(&place.name);
                continue;
            }
            let interface = devices.iter().find(|found| found.ifindex == place.ifindex);
            match self.attach(object, place, interface) {
                Ok(held) => {
                    let (device, mode) = (&place.name, held.mode.name());
                    tracing::info!(device, mode, "observing before the stack");
                    self.held.push(held);
                }
                Err(refusal) => refused.push(refusal),
            }
        }
        if self.held.len() > before.len() {
            // What TC counted at a device before XDP did is nobody's.
            self.wires.update(object.wires()?, &before);
        }
        Ok(refused)
    }

    fn attach(
        &self,
        object: &mut Object,
        place: &Place,
        interface: Option<&Interface>,
    ) -> Result<Held, Refusal> {
        let refusal = |reason, why| Refusal {
            device: place.name.clone(),
            reason,
            why,
        };
        let mode = match self.choice {
            Xdp::Generic => XdpMode::Generic,
            Xdp::Off | Xdp::Native => XdpMode::Native,
            Xdp::Auto => {
                let driver = interface.map(driver_of).unwrap_or_default();
                tried(&driver).map_err(|why| refusal("xdp_untried", why.to_string()))?;
                XdpMode::Native
            }
        };
        let device = (place.name.as_str(), place.ifindex.0);
        match XdpLink::new(object, device, place.point, mode) {
            Ok(link) => Ok(Held {
                place: place.clone(),
                mode,
                _link: link,
            }),
            Err(error) => Err(refusal(error.reason(), error.to_string())),
        }
    }

    /// What the devices have seen so far.
    pub(super) fn reports(&mut self, object: &mut Object) -> Result<Vec<WireReport>, TableError> {
        if self.choice == Xdp::Off {
            return Ok(Vec::new());
        }
        let wired = self.wired();
        self.wires.update(object.wires()?, &wired);
        Ok(self.wires.reports(&wired))
    }

    fn wired(&self) -> Vec<Wired> {
        let wired = |held: &Held| Wired {
            point: held.place.point,
            device: held.place.name.clone(),
            mode: held.mode.name(),
        };
        self.held.iter().map(wired).collect()
    }

    /// Detaches everything.
    pub(super) fn clear(&mut self) {
        self.held.clear();
    }
}

fn is_same(one: &Place, other: &Place) -> bool {
    let identity = |place: &Place| (place.ifindex, place.incarnation, place.point);
    identity(one) == identity(other)
}

/// A virtual device's kind is its driver.
fn driver_of(device: &Interface) -> Driver {
    if device.kind == Kind::Physical {
        Driver {
            name: driver(&device.name),
            virtio: virtio_features(&device.name),
        }
    } else {
        Driver {
            name: Some(device.kind.to_string()),
            virtio: None,
        }
    }
}
