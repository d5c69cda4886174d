//! A direction that changes its road, sweep by sweep.

use crate::path::{Encapsulation, End, Fragments, RelayMode, TcpReport, UnderlayKind};

use super::*;

const LAN: Class = Class::Vxlan(UnderlayKind::Lan);
const TAILNET: Class = Class::VxlanTailscale;

/// One direction whose rows grow.
#[derive(Default)]
struct Road {
    classes: Classes,
    total: u64,
}

impl Road {
    /// A sweep that saw so many packets of a class; what is counted for which class then.
    fn sweep(&mut self, class: Class, packets: u64) -> Vec<(Class, u64, bool)> {
        self.total += packets;
        let (total, recent) = (values(self.total), values(packets));
        self.classes.decide(&evidence(class), &total, &recent);
        let present = self.classes.evidence().expect("decided").class;
        let counted = self.classes.present(&total);
        let packets = counted.get(&Point::Port).map_or(0, |row| row.segments);
        let report = report(present, packets);
        self.classes.keep(&report);
        let former = self.classes.former().map(|report| {
            let class = report.class.expect("a class");
            (class, report.packets, report.superseded)
        });
        let mut all = vec![(present, packets, false)];
        all.extend(former);
        all
    }
}

fn values(segments: u64) -> Values {
    let value = RowValue {
        buffers: segments,
        segments,
        ..RowValue::default()
    };
    BTreeMap::from([(Point::Port, value)])
}

fn evidence(class: Class) -> Evidence {
    Evidence {
        class,
        encapsulation: Encapsulation::default(),
        underlay: None,
        relay: RelayMode::None,
    }
}

fn report(class: Class, packets: u64) -> PathReport {
    let end = || End {
        node: None,
        address: None,
        pod: None,
        services: Vec::new(),
    };
    PathReport {
        source: end(),
        destination: end(),
        class: Some(class),
        encapsulation: Encapsulation::default(),
        underlay: None,
        relay: RelayMode::None,
        relay_by: crate::path::RelayBy::Packets,
        derp_region: None,
        peer_relay: None,
        packets,
        bytes: 0,
        fragments: Fragments::default(),
        tcp: TcpReport::default(),
        points: BTreeMap::new(),
        mtu: None,
        peer: None,
        idle: 0,
        source_is_local: true,
        superseded: false,
        oversize: None,
        confirmed: true,
        earlier: 1,
        proxy: None,
    }
}

#[test]
fn a_new_class_begins_at_zero_and_the_former_stays_as_it_was() {
    let mut road = Road::default();
    assert_eq!(road.sweep(TAILNET, 100), [(TAILNET, 100, false)]);
    assert_eq!(road.sweep(TAILNET, 20), [(TAILNET, 120, false)]);
    assert_eq!(road.sweep(LAN, 7), [(LAN, 7, false), (TAILNET, 120, true)]);
    assert_eq!(road.sweep(LAN, 3), [(LAN, 10, false), (TAILNET, 120, true)]);
}

#[test]
fn a_class_that_comes_back_goes_on_where_it_was() {
    let mut road = Road::default();
    road.sweep(TAILNET, 100);
    road.sweep(LAN, 7);
    assert_eq!(
        road.sweep(TAILNET, 5),
        [(TAILNET, 105, false), (LAN, 7, true)]
    );
    assert_eq!(road.sweep(LAN, 1), [(LAN, 8, false), (TAILNET, 105, true)]);
}

#[test]
fn what_had_shown_no_road_counts_for_the_first_that_shows() {
    let mut road = Road::default();
    assert_eq!(road.sweep(Class::Unknown, 4), [(Class::Unknown, 4, false)]);
    assert!(road.classes.is_open());
    assert_eq!(road.sweep(LAN, 3), [(LAN, 7, false)]);
    assert!(!road.classes.is_open());
}

#[test]
fn one_sweep_without_a_decision_changes_nothing_and_two_do() {
    let mut road = Road::default();
    road.sweep(LAN, 10);
    assert_eq!(road.sweep(Class::Unknown, 1), [(LAN, 11, false)]);
    assert_eq!(road.sweep(LAN, 1), [(LAN, 12, false)]);
    road.sweep(Class::Unknown, 1);
    assert_eq!(
        road.sweep(Class::Unknown, 5),
        [(Class::Unknown, 5, false), (LAN, 13, true)]
    );
    assert_eq!(
        road.sweep(LAN, 2),
        [(LAN, 15, false), (Class::Unknown, 5, true)]
    );
}

#[test]
fn the_sum_over_all_classes_is_the_sum_of_the_rows() {
    let mut road = Road::default();
    let roads = [
        LAN,
        TAILNET,
        Class::LanDirect,
        Class::Unknown,
        Class::Unknown,
    ];
    for step in 0..50 {
        let class = roads[(step * 7 + step / 3) % roads.len()];
        let counted = road.sweep(class, step as u64);
        let sum: u64 = counted.iter().map(|(_, packets, _)| packets).sum();
        assert_eq!(sum, road.total, "after step {step}: {counted:?}");
    }
}
