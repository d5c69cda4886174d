//! Packets of the node itself that hide others: WireGuard, direct, through a peer relay or inside the
//! overlay's VXLAN, TCP that is marked or a relay's, later outer fragments. One look-up in `outer_flows`
//! instead of `biflows`.

use crate::abi::biflow::Carriage;
use crate::abi::outer::{OuterKey, OuterKind};
use crate::abi::point::{FlowDirection, Hook, Point, Site};
use crate::abi::relay::RelayKey;
use crate::cell::Cell64;
use crate::parse::{Opaque, Packet, UDP, is_vxlan_port};

use super::scene::Scene;
use super::{Size, Tables, outer};

/// tailscaled's socket mark and its mask (tailscale: util/linuxfw, `TailscaleBypassMarkNum`).
const BYPASS_MARK: u32 = 0x8_0000;
const MARK_MASK: u32 = 0xff_0000;

/// Counts a host packet on its outer flow if it is opaque.
#[inline(always)]
pub(super) fn count<T: Tables>(scene: Scene<'_, T>, site: Site, mark: u32, size: &Size) {
    let is_opaque = match scene.packet.opaque {
        Opaque::None => false,
        // What runs inside the overlay is no relay's connection.
        Opaque::Tcp if scene.packet.carriage == Carriage::Vxlan => false,
        Opaque::Tcp => {
            is_marked(site, mark) || (site.point.is_underlay() && scene.control.relays > 0)
        }
        Opaque::WireGuard
        | Opaque::WireGuardHandshake
        | Opaque::LaterFragment
        | Opaque::PeerRelay
        | Opaque::PeerRelayControl
        | Opaque::Disco
        | Opaque::Stun => true,
    };
    if is_opaque {
        add(&scene, site, mark, size);
    }
}

/// True of tailscaled's own packet among those of the pods' networks: it uses these as a road between
/// nodes, and to proxies in pods (tailscale/tailscale#1552). On its way out it has the mark, in plain at
/// the overlay and on the VXLAN packet at the underlay; a message that arrives is known by its signature
/// and a node's address at an end of it. VXLAN between two nodes' addresses is theirs as well: where it is
/// not followed, its packets are no pods'.
#[inline(always)]
pub(super) fn is_nodes_own<T: Tables>(scene: &Scene<'_, T>, site: Site, mark: u32) -> bool {
    let shows_mark = site.point.is_underlay() || matches!(site.point, Point::Overlay);
    if shows_mark && matches!(site.hook, Hook::Egress) && mark & MARK_MASK == BYPASS_MARK {
        return true;
    }
    let (tables, key) = (scene.tables, &scene.packet.key);
    let has_signature = match scene.packet.opaque {
        Opaque::Tcp => return false,
        // They bear no signature: between a node and a pod they may be anybody's.
        Opaque::None if !is_to_vxlan(scene.packet) => return false,
        Opaque::None | Opaque::LaterFragment => false,
        Opaque::WireGuard
        | Opaque::WireGuardHandshake
        | Opaque::PeerRelay
        | Opaque::PeerRelayControl
        | Opaque::Disco
        | Opaque::Stun => true,
    };
    let (low, high) = (tables.is_node(&key.low), tables.is_node(&key.high));
    if has_signature {
        low || high
    } else {
        low && high
    }
}

#[inline(always)]
const fn is_to_vxlan(packet: &Packet) -> bool {
    let [_, destination] = ports(packet);
    packet.key.protocol == UDP && is_vxlan_port(u16::from_be_bytes(destination))
}

/// The mark is readable at the underlay's egress alone: it does not survive the wire.
#[inline(always)]
const fn is_marked(site: Site, mark: u32) -> bool {
    site.point.is_underlay() && matches!(site.hook, Hook::Egress) && mark & MARK_MASK == BYPASS_MARK
}

#[inline(never)]
fn add<T: Tables>(scene: &Scene<'_, T>, site: Site, mark: u32, size: &Size) {
    let packet = scene.packet;
    let is_marked = is_marked(site, mark);
    let (kind, session) = match packet.opaque {
        Opaque::None => return,
        Opaque::WireGuard if packet.carriage == Carriage::Vxlan => {
            (OuterKind::OverlayWireGuard, packet.session)
        }
        Opaque::WireGuardHandshake
        | Opaque::PeerRelay
        | Opaque::PeerRelayControl
        | Opaque::Disco
            if packet.carriage == Carriage::Vxlan =>
        {
            (OuterKind::OverlayControl, 0)
        }
        Opaque::WireGuard => (OuterKind::WireGuard, packet.session),
        Opaque::WireGuardHandshake => (OuterKind::WireGuardHandshake, 0),
        Opaque::LaterFragment => (OuterKind::LaterFragment, 0),
        Opaque::PeerRelay => (OuterKind::PeerRelay, packet.session),
        Opaque::PeerRelayControl => (OuterKind::PeerRelayControl, packet.session),
        Opaque::Disco => (OuterKind::Disco, 0),
        Opaque::Stun => (OuterKind::Stun, 0),
        Opaque::Tcp => {
            let kind = if scene.control.relays > 0 && is_relays(scene, site.hook) {
                OuterKind::RelayTcp
            } else if is_marked {
                OuterKind::MarkedTcp
            } else {
                return;
            };
            (kind, u32::from(far_port(packet, site.hook)))
        }
    };
    let (source, destination) = packet.key.ends(packet.direction);
    let mut key = OuterKey::new(site, kind, source, destination);
    key.session = session;
    key.marked = u8::from(is_marked);
    let Some(flow) = outer::find_or_insert(*scene, &key) else {
        return;
    };
    let window = u64::from(scene.window());
    if flow.last_seen.load() != window {
        flow.last_seen.store(window);
    }
    flow.packets.add(size.segments);
    flow.bytes.add(size.bytes);
    if packet.opaque == Opaque::LaterFragment {
        flow.fragments.add(1);
    }
}

/// True if the far end of a segment is a known relay's. A call of its own: left to choose between the
/// two ends on the stack, the compiler returns from [`add`] with a stack pointer in the register for
/// results, which the verifier refuses.
#[inline(never)]
fn is_relays<T: Tables>(scene: &Scene<'_, T>, hook: Hook) -> bool {
    let packet = scene.packet;
    // By reference: a copy of each end would be on the stack of the deepest chain of calls.
    let far =
        match (hook, packet.direction) {
            (Hook::Ingress, FlowDirection::LowToHigh)
            | (Hook::Egress, FlowDirection::HighToLow) => &packet.key.low,
            (Hook::Ingress, FlowDirection::HighToLow)
            | (Hook::Egress, FlowDirection::LowToHigh) => &packet.key.high,
        };
    let key = RelayKey::new(*far, far_port(packet, hook));
    scene.tables.is_relay(&key)
}

/// Source and destination port as on the wire.
#[inline(always)]
const fn ports(packet: &Packet) -> [[u8; 2]; 2] {
    match packet.direction {
        FlowDirection::LowToHigh => [packet.key.low_port, packet.key.high_port],
        FlowDirection::HighToLow => [packet.key.high_port, packet.key.low_port],
    }
}

/// Port of the end that is not this node.
#[inline(always)]
const fn far_port(packet: &Packet, hook: Hook) -> u16 {
    let [source, destination] = ports(packet);
    u16::from_be_bytes(match hook {
        Hook::Ingress => source,
        Hook::Egress => destination,
    })
}
