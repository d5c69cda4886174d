//! What to attach and what to detach: wanted minus present, and the reverse. Pure.

use super::roles::Attachment;

/// The way from what is attached to what is wanted. Detach first: a point may change hands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Wanted and not present.
    pub attach: Vec<Attachment>,
    /// Present and not wanted.
    pub detach: Vec<Attachment>,
}

impl Plan {
    /// True if there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.attach.is_empty() && self.detach.is_empty()
    }
}

/// Compares `wanted` with `present`. A device is the same if number, incarnation and point are
/// equal; a new name alone changes nothing.
#[must_use]
pub fn plan(wanted: &[Attachment], present: &[Attachment]) -> Plan {
    Plan {
        attach: without(wanted, present),
        detach: without(present, wanted),
    }
}

fn without(these: &[Attachment], those: &[Attachment]) -> Vec<Attachment> {
    let identity =
        |attachment: &Attachment| (attachment.ifindex, attachment.incarnation, attachment.point);
    these
        .iter()
        .filter(|this| !those.iter().any(|that| identity(this) == identity(that)))
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use observer_ebpf::abi::point::Point;

    use super::*;
    use crate::interfaces::IfIndex;

    fn at(ifindex: u32, incarnation: u64, name: &str, point: Point) -> Attachment {
        Attachment {
            ifindex: IfIndex(ifindex),
            incarnation,
            name: name.to_owned(),
            point,
            link_layer: false,
        }
    }

    #[test]
    fn a_recreated_tailscale0_is_detached_and_attached_again() {
        let old = at(4, 1, "tailscale0", Point::Tunnel);
        let bridge = at(3, 1, "cni0", Point::Bridge);
        for new in [
            at(9, 2, "tailscale0", Point::Tunnel),
            at(4, 2, "tailscale0", Point::Tunnel),
        ] {
            let way = plan(
                &[bridge.clone(), new.clone()],
                &[bridge.clone(), old.clone()],
            );
            assert_eq!(way.attach, [new]);
            assert_eq!(way.detach, std::slice::from_ref(&old));
        }
    }

    #[test]
    fn a_device_at_another_point_is_detached_and_attached_again() {
        let old = at(2, 1, "eth0", Point::Underlay0);
        let new = at(2, 1, "eth0", Point::Underlay1);
        let way = plan(std::slice::from_ref(&new), std::slice::from_ref(&old));
        assert_eq!((way.attach, way.detach), (vec![new], vec![old]));
    }

    #[test]
    fn a_renamed_device_stays_attached() {
        let old = at(2, 1, "eth0", Point::Underlay0);
        let new = at(2, 1, "eth9", Point::Underlay0);
        assert!(plan(&[new], &[old]).is_empty());
    }
}
