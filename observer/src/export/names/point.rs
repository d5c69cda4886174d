//! Words for observation points. Device names are the agent's, not ours.

use observer_ebpf::abi::point::Point;

/// The word in span names: short, since two stand in one name.
pub(in crate::export) const fn point_name(point: Point) -> &'static str {
    match point {
        Point::Port => "pod",
        Point::Bridge => "bridge",
        Point::Overlay => "overlay",
        Point::Tunnel => "tunnel",
        Point::FlannelWg => "flannel-wg",
        Point::Underlay0 | Point::Underlay1 | Point::Underlay2 => "wire",
    }
}

/// The value of `netpath.point`.
pub(in crate::export) const fn point_role(point: Point) -> &'static str {
    match point {
        Point::Port => "pod",
        Point::Bridge => "bridge",
        Point::Overlay => "overlay",
        Point::Tunnel => "tunnel",
        Point::FlannelWg => "flannel-wg",
        Point::Underlay0 | Point::Underlay1 | Point::Underlay2 => "underlay",
    }
}
