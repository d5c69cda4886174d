//! What lies between a path's packets and the outermost VXLAN packets around them: further VXLAN packets,
//! as the outer flows say. Pure.

use observer_ebpf::abi::biflow::{Carriage, trajectory_bit};
use observer_ebpf::abi::outer::Within;
use observer_ebpf::abi::point::{Hook, Point, Site};

use super::{Direction, Snapshot};

/// The most that is within at a point where packets passed in VXLAN.
pub(super) fn within(snapshot: &Snapshot, seen: &Direction, point: Point) -> Within {
    if !passed_in_vxlan(seen.bits, point) {
        return Within::NOTHING;
    }
    let held = seen.outer.iter().filter(|(at, _)| *at == point);
    held.map(|&(_, hash)| snapshot.outer.within(point, hash))
        .max()
        .unwrap_or(Within::NOTHING)
}

/// VXLAN packets inside the outermost ones, where the class is decided: at a tunnel, else on the wire.
pub(super) fn nested(snapshot: &Snapshot, seen: &Direction) -> u32 {
    let layers = |point| within(snapshot, seen, point).layers();
    let on_wire = Point::ALL.into_iter().filter(|point| point.is_underlay());
    if passed_in_vxlan(seen.bits, Point::Tunnel) {
        layers(Point::Tunnel)
    } else {
        on_wire.map(layers).max().unwrap_or(0)
    }
}

fn passed_in_vxlan(bits: u32, point: Point) -> bool {
    Hook::ALL.into_iter().any(|hook| {
        let bit = trajectory_bit(Site { point, hook }, Carriage::Vxlan);
        bits & 1 << bit != 0
    })
}
