//! The programs in place, device by device. What cannot be attached is a named blind spot, tried
//! again whenever the devices change.

use std::collections::BTreeMap;

use observer_ebpf::abi::point::{Hook, Point};

use crate::interfaces::{
    Attachment as Place, Device as Interface, Roles, Rules, WantedUnderlays, assign, plan,
};
use crate::kernel::{Attachment, Object};
use crate::path::Device;

/// Attached programs and blind spots.
pub(super) struct Attachments {
    rules: Rules,
    roles: Roles,
    present: Vec<(Place, [Attachment; 2])>,
    failed: BTreeMap<String, (&'static str, String)>,
    told: BTreeMap<String, (&'static str, String)>,
    said_empty: bool,
}

impl Attachments {
    pub(super) fn new(rules: Rules) -> Self {
        Self {
            rules,
            roles: Roles::default(),
            present: Vec::new(),
            failed: BTreeMap::new(),
            told: BTreeMap::new(),
            said_empty: false,
        }
    }

    /// Attaches and detaches until the programs are where the devices play their roles.
    pub(super) fn bring_in_line(
        &mut self,
        object: &mut Object,
        devices: &[Interface],
        wanted: &WantedUnderlays,
    ) {
        self.told = std::mem::take(&mut self.failed);
        let up: Vec<_> = devices.iter().filter(|device| device.up).cloned().collect();
        self.roles = assign(&up, &self.rules, wanted, &self.roles);
        let present: Vec<_> = self
            .present
            .iter()
            .map(|(place, _)| place.clone())
            .collect();
        let plan = plan(&self.roles.attachments, &present);
        self.present
            .retain(|(place, _)| !plan.detach.contains(place));
        let before = self.present.len();
        // Verifying takes far longer than attaching: all at once, so that no point counts long
        // before the others.
        for (place, hook) in plan
            .attach
            .iter()
            .flat_map(|place| Hook::ALL.map(|hook| (place, hook)))
        {
            if let Err(error) = object.program(place.point, hook) {
                self.name_blind_spot(&place.name, "program_refused", error.to_string());
            }
        }
        for place in plan.attach {
            self.attach(object, place);
        }
        if self.present.is_empty() && !std::mem::replace(&mut self.said_empty, true) {
            tracing::warn!(
                "no device to observe yet: no pod bridge, VXLAN, tunnel or underlay is up here; \
                 `observer config` prints the names that are looked for"
            );
        }
        if self.present.len() != before {
            let devices: Vec<_> = self
                .present
                .iter()
                .map(|(place, _)| place.name.as_str())
                .collect();
            tracing::info!(devices = devices.join(" "), "observing");
        }
        for blind in self.roles.not_attached.clone() {
            self.name_blind_spot(&blind.device, blind.reason.name(), blind.reason.to_string());
        }
    }

    fn attach(&mut self, object: &mut Object, place: Place) {
        let mut both =
            Hook::ALL.map(|hook| Attachment::new(object, &place.name, place.point, hook));
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

    /// True if pod ports are observed.
    pub(super) fn has_ports(&self) -> bool {
        self.present
            .iter()
            .any(|(place, _)| place.point == Point::Port)
    }

    /// Name and MTU of the device at each point; ports are many and left out.
    pub(super) fn devices(&self, interfaces: &[Interface]) -> BTreeMap<Point, Device> {
        let of = |(place, _): &(Place, _)| {
            let interface = interfaces
                .iter()
                .find(|device| device.ifindex == place.ifindex)?;
            let device = Device {
                name: interface.name.clone(),
                mtu: interface.mtu,
            };
            (place.point != Point::Port).then_some((place.point, device))
        };
        self.present.iter().filter_map(of).collect()
    }

    /// Adds the blind spots to the ledger.
    pub(super) fn add_to(&self, ledger: &mut BTreeMap<String, u64>) {
        for (reason, _) in self.failed.values() {
            *ledger.entry(format!("not_attached.{reason}")).or_default() += 1;
        }
    }

    /// Detaches everything.
    pub(super) fn clear(&mut self) {
        self.present.clear();
    }
}
