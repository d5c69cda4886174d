//! From what the points saw to a class. Decided by where packets were, never by configuration.

use observer_ebpf::abi::biflow::{Carriage, trajectory_bit};
use observer_ebpf::abi::point::{Hook, Point, Site};
use observer_ebpf::abi::{PATH_EXTERNAL, PATH_HOST, PATH_REFUSED, PATH_UNKNOWN};

use super::{Class, Encapsulation, Layer, RelayMode, UnderlayKind};

/// What was seen of one direction of one path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observation {
    /// Path number.
    pub path: u16,
    /// Trajectory bits of the direction.
    pub bits: u32,
    /// Kind of the underlay that the outer packets take, where an outer flow was seen.
    pub underlay: Option<UnderlayKind>,
    /// How tailscaled carries it, should it be the one that does.
    pub relay: RelayMode,
    /// Packets leave by an underlay as they are, and the kernel's only route for them is a default one.
    pub strays: bool,
    /// The packets are WireGuard of a proxy in a pod.
    pub is_proxy: bool,
}

/// What an observation amounts to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The class.
    pub class: Class,
    /// The encapsulation stack.
    pub encapsulation: Encapsulation,
    /// Kind of underlay, where decided.
    pub underlay: Option<UnderlayKind>,
    /// How Tailscale carries it.
    pub relay: RelayMode,
}

/// Names the class of one direction of a path. The outermost point that saw the inner flow decides.
#[must_use]
pub fn classify(seen: &Observation) -> Evidence {
    use Layer::{Vxlan, WireGuard};
    let at = |points: &[Point], carriage| {
        points
            .iter()
            .any(|&point| has(seen.bits, point, carriage, &Hook::ALL))
    };
    let underlays = [Point::Underlay0, Point::Underlay1, Point::Underlay2];
    let (class, stack): (Class, &[Layer]) = match seen.path {
        PATH_EXTERNAL => (Class::External, &[]),
        PATH_HOST => (Class::Host, &[]),
        PATH_UNKNOWN | PATH_REFUSED => (Class::Unknown, &[]),
        _ if at(&[Point::Tunnel], Carriage::Vxlan) => (Class::VxlanTailscale, &[WireGuard, Vxlan]),
        _ if at(&[Point::Tunnel], Carriage::Plain) => (Class::TailscaleSubnet, &[WireGuard]),
        _ if at(&[Point::FlannelWg], Carriage::Plain) => (Class::FlannelWg, &[WireGuard]),
        _ if at(&underlays, Carriage::Vxlan) => {
            (seen.underlay.map_or(Class::Unknown, Class::Vxlan), &[Vxlan])
        }
        _ if at(&underlays, Carriage::Plain) && seen.strays => (Class::External, &[]),
        _ if at(&underlays, Carriage::Plain) => (Class::LanDirect, &[]),
        _ if stays_on_node(seen.bits) => (Class::SameNode, &[]),
        _ => (Class::Unknown, &[]),
    };
    let around = (class.is_tailscale() && seen.relay == RelayMode::Overlay).then_some(Vxlan);
    let is_pods = !matches!(class, Class::External | Class::Host | Class::Unknown);
    let within = (seen.is_proxy && is_pods).then_some(WireGuard);
    let layers = around.into_iter().chain(stack.iter().copied());
    Evidence {
        class,
        encapsulation: Encapsulation(layers.chain(within).collect()),
        underlay: seen
            .underlay
            .filter(|_| matches!(class, Class::Vxlan(_) | Class::LanDirect)),
        relay: if class.is_tailscale() {
            seen.relay
        } else {
            RelayMode::None
        },
    }
}

/// A packet that entered at one port and left at another, and was at no point beyond the bridge.
fn stays_on_node(bits: u32) -> bool {
    let through = |point| {
        has(bits, point, Carriage::Plain, &[Hook::Ingress])
            && has(bits, point, Carriage::Plain, &[Hook::Egress])
    };
    through(Point::Port) || through(Point::Bridge)
}

fn has(bits: u32, point: Point, carriage: Carriage, hooks: &[Hook]) -> bool {
    hooks
        .iter()
        .any(|&hook| bits & (1 << trajectory_bit(Site { point, hook }, carriage)) != 0)
}

#[cfg(test)]
mod tests {
    use Carriage::{Plain, Vxlan};
    use Hook::{Egress, Ingress};

    use super::*;

    fn bits(seen: &[(Point, Carriage, Hook)]) -> u32 {
        seen.iter().fold(0, |bits, &(point, carriage, hook)| {
            bits | 1 << trajectory_bit(Site { point, hook }, carriage)
        })
    }

    fn check(
        seen: &[(Point, Carriage, Hook)],
        underlay: Option<UnderlayKind>,
        class: &str,
        stack: &str,
    ) {
        let found = classify(&Observation {
            path: 9,
            bits: bits(seen),
            underlay,
            relay: RelayMode::Derp,
            strays: false,
            is_proxy: false,
        });
        assert_eq!(
            found.relay == RelayMode::Derp,
            class.contains("tailscale"),
            "a mode is Tailscale's alone"
        );
        assert_eq!(
            (found.class.name(), found.encapsulation.to_string()),
            (class, stack.to_owned())
        );
    }

    const POD: [(Point, Carriage, Hook); 2] = [
        (Point::Port, Plain, Ingress),
        (Point::Bridge, Plain, Ingress),
    ];

    #[test]
    fn vxlan_on_the_wire_is_named_by_its_underlay() {
        let seen = [
            POD[0],
            POD[1],
            (Point::Overlay, Plain, Egress),
            (Point::Underlay1, Vxlan, Egress),
        ];
        check(&seen, Some(UnderlayKind::Vmnet), "vxlan-vmnet", "vxlan");
        check(&seen, Some(UnderlayKind::Lan), "vxlan-lan", "vxlan");
        check(&seen, Some(UnderlayKind::Wan), "vxlan-wan", "vxlan");
        check(&seen, None, "unknown", "vxlan");
    }

    #[test]
    fn vxlan_in_the_tunnel_outranks_vxlan_on_the_wire() {
        let seen = [
            POD[0],
            (Point::Overlay, Plain, Egress),
            (Point::Tunnel, Vxlan, Egress),
            (Point::Underlay0, Vxlan, Egress),
        ];
        check(
            &seen,
            Some(UnderlayKind::Lan),
            "vxlan-tailscale",
            "wireguard>vxlan",
        );
    }

    #[test]
    fn pod_packets_in_tunnels_and_on_wires_are_told_apart() {
        check(
            &[POD[0], (Point::Tunnel, Plain, Egress)],
            None,
            "tailscale-subnet",
            "wireguard",
        );
        check(
            &[POD[0], (Point::FlannelWg, Plain, Egress)],
            None,
            "flannel-wg",
            "wireguard",
        );
        check(
            &[POD[0], (Point::Underlay0, Plain, Egress)],
            None,
            "lan-direct",
            "none",
        );
    }

    /// The way of a pod's packet on its node up to the tunnel, and from there.
    const OUT: [(Point, Carriage, Hook); 3] = [POD[0], POD[1], (Point::Tunnel, Plain, Egress)];
    const BACK: [(Point, Carriage, Hook); 3] = [
        (Point::Tunnel, Plain, Ingress),
        (Point::Bridge, Plain, Egress),
        (Point::Port, Plain, Egress),
    ];

    #[test]
    fn a_subnet_route_is_named_by_how_tailscale_carries_it() {
        let in_vxlan = (Point::Tunnel, Vxlan, Egress);
        for (seen, relay, class, stack, mode) in [
            (
                OUT,
                RelayMode::Unknown,
                "tailscale-subnet",
                "wireguard",
                "unknown",
            ),
            (
                OUT,
                RelayMode::Direct,
                "tailscale-subnet-direct",
                "wireguard",
                "direct",
            ),
            (
                BACK,
                RelayMode::Direct,
                "tailscale-subnet-direct",
                "wireguard",
                "direct",
            ),
            (
                OUT,
                RelayMode::Derp,
                "tailscale-subnet-derp",
                "wireguard",
                "derp",
            ),
            (
                BACK,
                RelayMode::PeerRelay,
                "tailscale-subnet-peer-relay",
                "wireguard",
                "peer_relay",
            ),
            (
                OUT,
                RelayMode::Overlay,
                "tailscale-over-overlay",
                "vxlan>wireguard",
                "direct",
            ),
            (
                BACK,
                RelayMode::Overlay,
                "tailscale-over-overlay",
                "vxlan>wireguard",
                "direct",
            ),
            (
                [POD[0], (Point::Overlay, Plain, Egress), in_vxlan],
                RelayMode::Overlay,
                "vxlan-tailscale-direct",
                "vxlan>wireguard>vxlan",
                "direct",
            ),
            (
                [POD[0], POD[1], (Point::Underlay0, Plain, Egress)],
                RelayMode::Overlay,
                "lan-direct",
                "none",
                "none",
            ),
        ] {
            let found = classify(&Observation {
                path: 9,
                bits: bits(&seen),
                underlay: None,
                relay,
                strays: false,
                is_proxy: false,
            });
            let named = (
                found.class.name_in(found.relay),
                found.encapsulation.to_string(),
                found.relay.to_string(),
            );
            assert_eq!(named, (class, stack.to_owned(), mode.to_owned()));
        }
    }

    #[test]
    fn plain_packets_that_only_a_default_route_takes_leave_the_cluster() {
        let class = |seen: &[(Point, Carriage, Hook)], strays| {
            let observation = Observation {
                path: 9,
                bits: bits(seen),
                underlay: None,
                relay: RelayMode::Unknown,
                strays,
                is_proxy: false,
            };
            classify(&observation).class
        };
        let plain = [POD[0], (Point::Underlay0, Plain, Egress)];
        assert_eq!(class(&plain, true), Class::External);
        assert_eq!(class(&plain, false), Class::LanDirect);
        let tunnel = [POD[0], (Point::Tunnel, Plain, Egress)];
        assert_eq!(class(&tunnel, true), Class::TailscaleSubnet);
    }

    #[test]
    fn a_proxys_own_wireguard_is_one_more_layer_innermost() {
        let over = (Point::Overlay, Plain, Egress);
        let stack = |seen: &[(Point, Carriage, Hook)], is_proxy| {
            let found = classify(&Observation {
                path: 9,
                bits: bits(seen),
                underlay: Some(UnderlayKind::Lan),
                relay: RelayMode::Direct,
                strays: false,
                is_proxy,
            });
            let class = found.class.name_in(found.relay);
            (class, found.encapsulation.to_string())
        };
        let tunnel = [POD[0], over, (Point::Tunnel, Vxlan, Egress)];
        let lan = [POD[0], over, (Point::Underlay0, Vxlan, Egress)];
        let node = [POD[0], (Point::Port, Plain, Egress)];
        for (seen, is_proxy, class, layers) in [
            (
                &tunnel[..],
                true,
                "vxlan-tailscale-direct",
                "wireguard>vxlan>wireguard",
            ),
            (
                &tunnel[..],
                false,
                "vxlan-tailscale-direct",
                "wireguard>vxlan",
            ),
            (&lan[..], true, "vxlan-lan", "vxlan>wireguard"),
            (&node[..], true, "same-node", "wireguard"),
            (&POD[..], true, "unknown", "none"),
        ] {
            assert_eq!(stack(seen, is_proxy), (class, layers.to_owned()));
        }
    }

    #[test]
    fn same_node_needs_a_port_in_and_a_port_out() {
        check(
            &[POD[0], (Point::Port, Plain, Egress)],
            None,
            "same-node",
            "none",
        );
        check(&POD, None, "unknown", "none");
        check(
            &[POD[0], (Point::Overlay, Plain, Egress)],
            None,
            "unknown",
            "none",
        );
    }

    #[test]
    fn reserved_paths_keep_their_class_wherever_they_are_seen() {
        let seen = bits(&[(Point::Tunnel, Plain, Egress)]);
        let class = |path| {
            classify(&Observation {
                path,
                bits: seen,
                underlay: None,
                relay: RelayMode::Direct,
                strays: false,
                is_proxy: false,
            })
            .class
        };
        assert_eq!(class(PATH_UNKNOWN), Class::Unknown);
        assert_eq!(
            (class(PATH_EXTERNAL), class(PATH_HOST)),
            (Class::External, Class::Host)
        );
    }
}
