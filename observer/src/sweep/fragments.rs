//! The fragments of a direction, out of what each point counted. Pure.

use crate::path::Fragments;

use super::RowValue;
use super::classes::Values;

/// Fragments by layer, each from the one point that saw most of them: every point that fragments pass
/// counts them again, so that sums would count one several times. No point is right always: `br_netfilter`
/// joins a pod's fragments before the bridge device's ingress and cuts them again behind it, a device that
/// is too narrow cuts behind the pod's point, and a merged buffer hides some where it cannot be looked at.
pub(super) fn fragments(values: &Values) -> Fragments {
    let most = |of: fn(&RowValue) -> u64| values.values().map(of).max().unwrap_or(0);
    Fragments {
        inner: most(|row| row.inner_fragments),
        vxlan: most(|row| row.first_outer_fragments),
        wireguard: None,
    }
}

#[cfg(test)]
mod tests {
    use observer_ebpf::abi::point::Point;

    use super::*;

    fn check(points: &[(Point, u64, u64)], inner: u64, vxlan: u64) {
        let values = points.iter().map(|&(point, inner, outer)| {
            let value = RowValue {
                inner_fragments: inner,
                first_outer_fragments: outer,
                ..RowValue::default()
            };
            (point, value)
        });
        let found = fragments(&values.collect());
        assert_eq!((found.inner, found.vxlan), (inner, vxlan));
    }

    #[test]
    fn a_pods_fragments_count_once_though_the_bridge_joins_them() {
        let sender = [
            (Point::Port, 60, 0),
            (Point::Bridge, 0, 0),
            (Point::Overlay, 60, 0),
            (Point::Underlay0, 60, 0),
        ];
        check(&sender, 60, 0);
        check(&sender[1..], 60, 0);
    }

    #[test]
    fn fragments_that_the_node_makes_count_where_they_appear() {
        let narrow = [
            (Point::Port, 0, 0),
            (Point::Overlay, 40, 0),
            (Point::Tunnel, 38, 7),
            (Point::Underlay0, 0, 0),
        ];
        check(&narrow, 40, 7);
        check(&[], 0, 0);
    }
}
