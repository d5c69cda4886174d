//! What underlay devices saw before the stack: rows of points become sums of devices, since a point
//! changes hands and a device comes back.

use std::collections::{BTreeMap, BTreeSet};

use observer_ebpf::abi::point::Point;
use observer_ebpf::abi::wire::{UNDERLAYS, WireRecord, underlay};

use crate::path::WireReport;

/// Rows by underlay, as they are read.
pub type WireRows = [WireRecord; UNDERLAYS as usize];

/// Devices whose sums are kept; those that are gone leave first.
const DEVICES: usize = 16;

/// A device with an XDP program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wired {
    /// The point that it counts at.
    pub point: Point,
    /// Its name.
    pub device: String,
    /// See [`WireReport::mode`].
    pub mode: &'static str,
}

/// Sums by device name.
#[derive(Debug, Default)]
pub struct Wires {
    last: WireRows,
    sums: BTreeMap<String, WireRecord>,
}

impl Wires {
    /// What was counted since the last call is that of the devices at their points; at other points it
    /// is nobody's.
    pub fn update(&mut self, rows: WireRows, wired: &[Wired]) {
        let last = std::mem::replace(&mut self.last, rows);
        for place in wired {
            let Some(index) = underlay(place.point).and_then(|row| usize::try_from(row).ok())
            else {
                continue;
            };
            if let (Some(row), Some(before)) = (rows.get(index), last.get(index)) {
                let since = row.with(before, u64::wrapping_sub);
                let sum = self.sums.entry(place.device.clone()).or_default();
                *sum = sum.with(&since, u64::wrapping_add);
            }
        }
        if self.sums.len() > DEVICES {
            let present: BTreeSet<_> = wired.iter().map(|place| &place.device).collect();
            self.sums.retain(|device, _| present.contains(device));
        }
    }

    /// The sums of the devices that are there.
    #[must_use]
    pub fn reports(&self, wired: &[Wired]) -> Vec<WireReport> {
        let report = |place: &Wired| WireReport {
            device: place.device.clone(),
            mode: place.mode,
            sums: self.sums.get(&place.device).copied().unwrap_or_default(),
        };
        wired.iter().map(report).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(point: Point, device: &str) -> Wired {
        Wired {
            point,
            device: device.to_owned(),
            mode: "native",
        }
    }

    fn rows(packets: [u64; 3]) -> WireRows {
        packets.map(|packets| WireRecord {
            packets,
            ..WireRecord::default()
        })
    }

    fn packets(wires: &Wires, wired: &[Wired]) -> Vec<u64> {
        let reports = wires.reports(wired).into_iter();
        reports.map(|report| report.sums.packets).collect()
    }

    #[test]
    fn a_point_that_changes_hands_counts_for_the_device_that_had_it() {
        let mut wires = Wires::default();
        let eth = [at(Point::Underlay0, "eth0")];
        let lima = [at(Point::Underlay0, "lima0"), at(Point::Underlay2, "eth0")];
        wires.update(rows([10, 0, 5]), &[]);
        wires.update(rows([17, 0, 5]), &eth);
        assert_eq!(packets(&wires, &eth), [7]);
        wires.update(rows([20, 3, 9]), &lima);
        assert_eq!(packets(&wires, &lima), [3, 7 + 4]);
    }

    #[test]
    fn of_many_devices_those_that_are_gone_are_forgotten() {
        let mut wires = Wires::default();
        for number in 0..100 {
            let one = [at(Point::Underlay1, &format!("eth{number}"))];
            wires.update(rows([0, number + 1, 0]), &one);
            assert_eq!(packets(&wires, &one), [1]);
            assert!(wires.sums.len() <= DEVICES);
        }
    }
}
