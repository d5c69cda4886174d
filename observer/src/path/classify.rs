//! From what the points saw to a class. Decided by where packets were, never by configuration.

use observer_ebpf::abi::biflow::{Carriage, trajectory_bit};
use observer_ebpf::abi::point::{Hook, Point, Site};
use observer_ebpf::abi::{PATH_EXTERNAL, PATH_HOST, PATH_REFUSED, PATH_UNKNOWN};
use observer_ebpf::parse::HOST_DEPTH;

use super::{Class, Encapsulation, Layer, RelayMode, UnderlayKind};

/// What was seen of one direction of one path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observation {
    /// Path number.
    pub path: u16,
    /// Trajectory bits of the direction.
    pub bits: u32,
    /// VXLAN packets inside the outermost ones, above which their number means nothing: [`HOST_DEPTH`].
    pub nested: u32,
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
    let further = if stack.contains(&Vxlan) {
        seen.nested.min(HOST_DEPTH)
    } else {
        0
    };
    let layers = around.into_iter().chain(stack.iter().copied());
    let nested = (0..further).map(|_| Vxlan);
    Evidence {
        class,
        encapsulation: Encapsulation(layers.chain(nested).chain(within).collect()),
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
mod tests;
