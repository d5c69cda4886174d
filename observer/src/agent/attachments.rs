//! The programs in place, device by device. What cannot be attached is a named blind spot, tried
//! again whenever the devices change.

use std::collections::{BTreeMap, BTreeSet};

use observer_ebpf::abi::point::{Hook, Point, Site};

use super::arrivals::Arrivals;
use super::pulse::Stage;
use super::supervisor::Tie;

use crate::config::Xdp;
use crate::interfaces::{
    Attachment as Place, Device as Interface, Roles, Rules, WantedUnderlays, assign, plan,
};
use crate::kernel::{Attachment, Object, TableError, Way};
use crate::path::{Device, Devices, WireReport};

/// A device that is not observed, or not in every way that was asked for.
pub(super) struct Refusal {
    pub(super) device: String,
    pub(super) reason: &'static str,
    pub(super) why: String,
}

/// Attached programs and blind spots.
pub(super) struct Attachments {
    tie: Tie,
    way: Way,
    rules: Rules,
    roles: Roles,
    present: Vec<(Place, [Attachment; 2])>,
    arrivals: Arrivals,
    failed: BTreeMap<String, (&'static str, String)>,
    told: BTreeMap<String, (&'static str, String)>,
    said_empty: bool,
    said: (String, usize),
}

impl Attachments {
    pub(super) fn new(rules: Rules, (way, xdp): (Way, Xdp), tie: Tie) -> Self {
        Self {
            tie,
            way,
            rules,
            roles: Roles::default(),
            present: Vec::new(),
            arrivals: Arrivals::new(xdp),
            failed: BTreeMap::new(),
            told: BTreeMap::new(),
            said_empty: false,
            said: (String::new(), 0),
        }
    }

    /// Attaches and detaches until the programs are where the devices play their roles.
    pub(super) fn bring_in_line(
        &mut self,
        object: &mut Object,
        devices: &[Interface],
        wanted: &WantedUnderlays,
    ) -> Result<(), TableError> {
        self.told = std::mem::take(&mut self.failed);
        // A device that goes down keeps its programs: it counts from the moment it is up again.
        let is_wanted = |device: &&Interface| device.up || self.holds(device);
        let up: Vec<_> = devices.iter().filter(is_wanted).cloned().collect();
        self.roles = assign(&up, &self.rules, wanted, &self.roles);
        let present: Vec<_> = self
            .present
            .iter()
            .map(|(place, _)| place.clone())
            .collect();
        let plan = plan(&self.roles.attachments, &present);
        self.present
            .retain(|(place, _)| !plan.detach.contains(place));
        let refused = self.load(object, &plan.attach);
        for place in plan.attach {
            if !self.goes_on() {
                return Ok(());
            }
            if !refused.contains(&place.point) {
                self.attach(object, place);
            }
        }
        if self.present.is_empty() && !std::mem::replace(&mut self.said_empty, true) {
            tracing::warn!(
                "no device to observe yet: no pod bridge, VXLAN, tunnel or underlay is up here; \
                 `observer config` prints the names that are looked for"
            );
        }
        self.tell_devices();
        for blind in self.roles.not_attached.clone() {
            self.name_blind_spot(&blind.device, blind.reason.name(), blind.reason.to_string());
        }
        let places: Vec<_> = self
            .present
            .iter()
            .map(|(place, _)| place.clone())
            .collect();
        let refused = self.arrivals.bring_in_line(object, &places, devices)?;
        for Refusal {
            device,
            reason,
            why,
        } in refused
        {
            self.name_blind_spot(&device, reason, why);
        }
        Ok(())
    }

    /// What underlays saw before the stack.
    pub(super) fn wires(&mut self, object: &mut Object) -> Result<Vec<WireReport>, TableError> {
        self.arrivals.reports(object)
    }

    fn holds(&self, device: &Interface) -> bool {
        let identity = (device.ifindex, device.incarnation);
        self.present
            .iter()
            .any(|(place, _)| (place.ifindex, place.incarnation) == identity)
    }

    /// Verifying takes far longer than attaching: all at once, so that no point counts long before
    /// the others. Answers with the points whose programs the kernel refuses.
    fn load(&mut self, object: &mut Object, places: &[Place]) -> BTreeSet<Point> {
        let sites_of = |place: &Place| {
            Hook::ALL.map(|hook| Site {
                point: place.point,
                hook,
            })
        };
        let sites: Vec<_> = places.iter().flat_map(sites_of).collect();
        let refused = object.load_programs(&sites, &|| self.goes_on());
        for (site, error) in &refused {
            for place in places.iter().filter(|place| place.point == site.point) {
                self.name_blind_spot(&place.name, "program_refused", error.to_string());
            }
        }
        refused.into_iter().map(|(site, _)| site.point).collect()
    }

    /// Tells the supervisor that the thread lives; false if it is to end.
    fn goes_on(&self) -> bool {
        self.tie.turn_to(Stage::Attaching);
        !self.tie.is_over()
    }

    fn attach(&mut self, object: &mut Object, place: Place) {
        let (name, ifindex) = (place.name.as_str(), place.ifindex.0);
        let mut both = Hook::ALL.map(|hook| match self.way {
            Way::Tcx => Attachment::new(object, name, place.point, hook),
            Way::Clsact => Attachment::by_clsact(object, (name, ifindex), place.point, hook),
        });
        if let [Ok(_), Ok(_)] = both {
            let [Ok(ingress), Ok(egress)] = both else {
                return;
            };
            self.present.push((place, [ingress, egress]));
        } else {
            for result in &mut both {
                if let Err(error) = result {
                    self.name_blind_spot(&place.name, "attach_refused", error.to_string());
                }
            }
        }
    }

    /// Says it once, until it is over or has another reason.
    fn name_blind_spot(&mut self, device: &str, reason: &'static str, why: String) {
        let is_known = |(_, known): &(&'static str, String)| *known == why;
        if !self.told.get(device).is_some_and(is_known) {
            tracing::warn!(device, reason, why, "blind spot");
        }
        self.failed.insert(device.to_owned(), (reason, why));
    }

    /// Ports come and go with their pods: they are a number, and no news by themselves.
    fn tell_devices(&mut self) {
        let (ports, others): (Vec<_>, Vec<_>) = self
            .present
            .iter()
            .map(|(place, _)| place)
            .partition(|place| place.point == Point::Port);
        let names: Vec<_> = others.iter().map(|place| place.name.as_str()).collect();
        let (devices, ports) = (names.join(" "), ports.len());
        let (known, known_ports) = &self.said;
        if *known != devices {
            tracing::info!(devices, ports, "observing");
        } else if *known_ports != ports {
            tracing::debug!(devices, ports, "observing");
        }
        self.said = (devices, ports);
    }

    /// Tells the programs whether pod ports are observed.
    pub(super) fn tell_ports(&self, object: &mut Object) {
        let mut places = self.present.iter();
        let mut control = object.control.get();
        control.ports_attached = u8::from(places.any(|(place, _)| place.point == Point::Port));
        object.control.set(control);
    }

    /// The devices at the points; ports are many and left out.
    pub(super) fn devices(&self, interfaces: &[Interface]) -> Devices {
        let of = |(place, _): &(Place, _)| {
            let interface = interfaces
                .iter()
                .find(|device| device.ifindex == place.ifindex)?;
            (place.point != Point::Port).then(|| {
                let addresses = interface.given_addresses();
                (
                    place.point,
                    Device::new(&interface.name, interface.mtu, addresses),
                )
            })
        };
        self.present.iter().filter_map(of).collect()
    }

    /// Name of the device at a point; ports are many and have none.
    pub(super) fn name_at(&self, point: Point) -> Option<String> {
        let mut places = self.present.iter().map(|(place, _)| place);
        let place = places.find(|place| place.point == point && point != Point::Port)?;
        Some(place.name.clone())
    }

    /// Adds the blind spots to the ledger.
    pub(super) fn add_to(&self, ledger: &mut BTreeMap<String, u64>) {
        for (reason, _) in self.failed.values() {
            *ledger.entry(format!("not_attached.{reason}")).or_default() += 1;
        }
    }

    /// Detaches everything.
    pub(super) fn clear(&mut self) {
        self.arrivals.clear();
        self.present.clear();
    }
}
