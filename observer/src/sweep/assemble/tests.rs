//! The first reports of a pair whose packets come while a sweep is under way.

use observer_ebpf::abi::biflow::{Assignment, BiflowRecord, Trajectory};
use observer_ebpf::abi::drop::{DropKey, DropRecord, Place};
use observer_ebpf::abi::key::{Address, FlowKey};
use observer_ebpf::abi::outer::{OuterFlowRecord, OuterKey, OuterKind, Within};

use super::*;
use crate::path::{Class, Device};
use crate::sweep::RowValue;

const DIRECTION: FlowDirection = FlowDirection::LowToHigh;
const WIRE: Site = Site {
    point: Point::Underlay0,
    hook: Hook::Egress,
};
const PEER: [u8; 4] = [192, 0, 2, 2];

/// A pair's only path, sweep by sweep.
struct Pair {
    paths: PathTable,
    number: u16,
    remembered: Remembered,
    snapshot: Snapshot,
    packets: u64,
    strays: BTreeSet<IpAddr>,
    devices: Devices,
}

impl Pair {
    fn new() -> Self {
        Self::of([1, 2].map(|node| Address::v4([10, 42, node, 2])))
    }

    fn of([low, high]: [Address; 2]) -> Self {
        let mut paths = PathTable::default();
        let (number, _) = paths.assign(PairKey { low, high }).expect("a number");
        Self {
            paths,
            number,
            remembered: Remembered::new(),
            snapshot: Snapshot::default(),
            packets: 0,
            strays: BTreeSet::new(),
            devices: Devices::default(),
        }
    }

    /// One more packet on the wire, counted on the path; `entry` is the flow as the sweep finds it.
    fn sweep(&mut self, entry: Option<&BiflowRecord>, outer: Option<OuterKey>) -> PathReport {
        self.packets += 1;
        let value = RowValue {
            buffers: self.packets,
            segments: self.packets,
            ..RowValue::default()
        };
        let row = Row::new(self.number, WIRE.point, DIRECTION);
        let snapshot = &mut self.snapshot;
        snapshot.rows.update(HashMap::from([(row.index(), value)]));
        snapshot.seen = crate::sweep::Seen::default();
        if let Some(entry) = entry {
            snapshot.seen.add(&FlowKey::default(), entry, EPOCH);
        }
        snapshot.outer.begin();
        if let Some(key) = outer {
            snapshot.outer.add(key, &OuterFlowRecord::default());
        }
        let underlays = HashMap::from([((WIRE.point, PEER.into()), UnderlayKind::Lan)]);
        let mut context = Context {
            drops: None,
            node: "n1",
            devices: &self.devices,
            underlays: &underlays,
            strays: &self.strays,
            translations: &Known::default(),
            remembered: &mut self.remembered,
            relay: &mut RelayModes::default(),
        };
        let reports = assemble(snapshot, &self.paths, &mut context);
        let [report] = &*reports else {
            panic!("one report, not {reports:?}")
        };
        report.clone()
    }

    /// The flow's entry after a packet at a site in this epoch, in VXLAN with this outer flow.
    fn entry(&self, site: Site, outer: Option<OuterKey>) -> BiflowRecord {
        self.entry_as(site, Carriage::Vxlan, outer)
    }

    fn entry_as(&self, site: Site, carriage: Carriage, outer: Option<OuterKey>) -> BiflowRecord {
        let path = self.number;
        let assignment = Assignment {
            path,
            rate: 0,
            flags: 0,
        };
        let mut entry = BiflowRecord {
            assignment: assignment.word(),
            ..BiflowRecord::default()
        };
        let bit = 1_u64 << trajectory_bit(site, carriage);
        entry.trajectory[DIRECTION as usize] = Trajectory {
            current: u64::from(EPOCH) << 32 | bit,
            previous: 0,
        };
        let hash = outer.map_or(0, |key| key.hash());
        entry.points[site.point.index()].outer[DIRECTION as usize] = hash;
        entry
    }
}

const EPOCH: u32 = 7;

fn outer() -> OuterKey {
    let [here, there] = [[192, 0, 2, 1], PEER].map(Address::v4);
    OuterKey::new(WIRE, OuterKind::Vxlan, here, there)
}

#[test]
fn a_pair_of_which_only_drops_were_seen_has_a_report() {
    let mut pair = Pair::new();
    let key = DropKey {
        ifindex: 3,
        reason: 2,
        path: pair.number,
        place: Place::VethToNode as u8,
        direction: DIRECTION as u8,
    };
    let value = DropRecord {
        packets: 9,
        ..DropRecord::default()
    };
    pair.snapshot.drops.begin();
    pair.snapshot.drops.add(key, value);
    let (reasons, devices) = (BTreeMap::new(), BTreeMap::new());
    for names in [
        None,
        Some(DropNames {
            reasons: &reasons,
            devices: &devices,
        }),
    ] {
        let mut context = Context {
            drops: names,
            node: "n1",
            devices: &Devices::default(),
            underlays: &HashMap::new(),
            strays: &BTreeSet::new(),
            translations: &Known::default(),
            remembered: &mut Remembered::new(),
            relay: &mut RelayModes::default(),
        };
        let reports = assemble(&pair.snapshot, &pair.paths, &mut context);
        let found: Vec<_> = reports
            .iter()
            .map(|report| {
                let drops = report.oversize.as_ref().map(Oversize::drops);
                (report.class, report.packets, drops)
            })
            .collect();
        let expected: &[_] = match names {
            Some(_) => &[(Some(Class::Unknown), 0, Some(9))],
            None => &[],
        };
        assert_eq!(found, expected);
    }
}

#[test]
fn a_first_report_that_shows_the_way_and_the_peer_is_settled() {
    let mut pair = Pair::new();
    let entry = pair.entry(WIRE, Some(outer()));
    let report = pair.sweep(Some(&entry), Some(outer()));
    assert_eq!(report.class, Some(Class::Vxlan(UnderlayKind::Lan)));
    assert_eq!(report.peer, Some(PEER.into()));
    assert!(report.is_settled());
}

#[test]
fn packets_that_came_between_the_flows_and_the_rows_settle_with_the_next_report() {
    let mut pair = Pair::new();
    let report = pair.sweep(None, Some(outer()));
    let said = (
        report.class,
        report.packets,
        report.peer,
        report.is_settled(),
    );
    assert_eq!(said, (Some(Class::Unknown), 1, None, false));
    let entry = pair.entry(WIRE, Some(outer()));
    let report = pair.sweep(Some(&entry), Some(outer()));
    let said = (report.packets, report.peer, report.is_settled());
    assert_eq!(said, (2, Some(PEER.into()), true));
}

#[test]
fn a_way_that_stays_unknown_is_settled_by_the_second_report() {
    let mut pair = Pair::new();
    let entry = pair.entry(WIRE, None);
    let settled = [(); 3].map(|()| pair.sweep(Some(&entry), None).is_settled());
    assert_eq!(settled, [false, true, true]);
}

#[test]
fn a_class_alone_is_not_settled_while_the_outer_flow_behind_vxlan_is_not_known() {
    let mut pair = Pair::new();
    let tunnel = Site {
        point: Point::Tunnel,
        hook: Hook::Egress,
    };
    let entry = pair.entry(tunnel, None);
    let report = pair.sweep(Some(&entry), None);
    assert_eq!(report.class, Some(Class::VxlanTailscale));
    assert!(!report.is_settled());
}

#[test]
fn a_path_leaves_the_cluster_if_its_plain_packets_leave_for_a_pod_without_a_route() {
    let class = |hook, strays: [[u8; 4]; 1]| {
        let mut pair = Pair::new();
        pair.strays = strays.map(IpAddr::from).into();
        let entry = pair.entry_as(Site { hook, ..WIRE }, Carriage::Plain, None);
        let class = pair.sweep(Some(&entry), None).class;
        let left = crate::sweep::plain_destinations(&pair.snapshot, &pair.paths);
        (class, left.into_iter().next())
    };
    let (source, destination) = ([10, 42, 1, 2], [10, 42, 2, 2]);
    let (left, came) = (Hook::Egress, Hook::Ingress);
    let (lan, external) = (Some(Class::LanDirect), Some(Class::External));
    let asked = Some(destination.into());
    assert_eq!(class(left, [destination]), (external, asked));
    assert_eq!(class(left, [source]), (lan, asked));
    assert_eq!(class(came, [destination]), (lan, None));
}

#[test]
fn the_mtu_is_that_of_the_familys_own_overlay_and_of_what_the_wire_leaves_to_it() {
    let device = |name: &str, mtu, addresses: &[&str]| {
        let addresses = addresses.iter().map(|text| text.parse().expect(text));
        Device::new(name, mtu, addresses)
    };
    let [six_here, six_there] = ["2001:db8:1::2", "2001:db8:2::2"].map(|text| {
        let address: IpAddr = text.parse().expect(text);
        Address::from(address)
    });
    let four = [1, 2].map(|node| Address::v4([10, 42, node, 2]));
    let vteps = [[192, 0, 2, 1], PEER].map(Address::v4);
    for (pods, vteps, wire, wanted) in [
        (four, vteps, 1_500, (1_450, "eth0")),
        (four, vteps, 1_600, (1_450, "flannel.1")),
        (
            [six_here, six_there],
            [six_here, six_there],
            1_500,
            (1_430, "eth0"),
        ),
        (
            [six_here, six_there],
            [six_here, six_there],
            1_600,
            (1_430, "flannel-v6.1"),
        ),
    ] {
        let mut pair = Pair::of(pods);
        pair.devices = [
            (Point::Overlay, device("flannel.1", 1_450, &["10.42.1.0"])),
            (
                Point::Overlay,
                device("flannel-v6.1", 1_430, &["2001:db8:1::"]),
            ),
            (
                WIRE.point,
                device("eth0", wire, &["192.0.2.1", "2001:db8:9::1"]),
            ),
        ]
        .into_iter()
        .collect();
        let outer = OuterKey::new(WIRE, OuterKind::Vxlan, vteps[0], vteps[1]);
        let mut entry = pair.entry(WIRE, Some(outer));
        let overlay = Site {
            point: Point::Overlay,
            hook: Hook::Egress,
        };
        let bit = 1_u64 << trajectory_bit(overlay, Carriage::Plain);
        entry.trajectory[DIRECTION as usize].current |= bit;
        let report = pair.sweep(Some(&entry), Some(outer));
        let found = report.mtu.expect("an MTU");
        assert_eq!((found.0, &*found.1), wanted);
    }
}

#[test]
fn vxlan_inside_vxlan_is_a_layer_and_takes_its_headers_from_the_mtu() {
    let device = Device::new("eth0", 1_500, std::iter::empty());
    for (within, stack, depth, mtu) in [
        (Within::NOTHING, "vxlan", 1, 1_450),
        (Within::NOTHING.and(50), "vxlan>vxlan", 2, 1_400),
        (
            Within::NOTHING.and(70).and(50),
            "vxlan>vxlan>vxlan",
            3,
            1_330,
        ),
    ] {
        let mut pair = Pair::new();
        pair.devices = [(WIRE.point, device.clone())].into_iter().collect();
        let key = OuterKey {
            session: within.word(),
            ..outer()
        };
        let entry = pair.entry(WIRE, Some(key));
        let report = pair.sweep(Some(&entry), Some(key));
        let found = (
            report.encapsulation.to_string(),
            report.encapsulation.depth(),
        );
        assert_eq!(found, (stack.to_owned(), depth));
        assert_eq!(report.mtu, Some((mtu, "eth0".to_owned())));
        assert_eq!(report.class, Some(Class::Vxlan(UnderlayKind::Lan)));
        assert_eq!(report.peer, Some(PEER.into()));
    }
}
