//! Packets of the node itself that hide others: WireGuard, marked TCP, later outer fragments. One
//! look-up in `outer_flows` instead of `biflows`.

use crate::abi::outer::{OuterKey, OuterKind};
use crate::abi::point::{FlowDirection, Hook, Site};
use crate::cell::Cell64;
use crate::parse::{Opaque, Packet};

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
        Opaque::Tcp => is_marked(site, mark),
        Opaque::WireGuard | Opaque::WireGuardHandshake | Opaque::LaterFragment => true,
    };
    if is_opaque {
        add(&scene, site, size);
    }
}

/// The mark is readable at the underlay's egress alone: it does not survive the wire.
#[inline(always)]
const fn is_marked(site: Site, mark: u32) -> bool {
    site.point.is_underlay() && matches!(site.hook, Hook::Egress) && mark & MARK_MASK == BYPASS_MARK
}

#[inline(never)]
fn add<T: Tables>(scene: &Scene<'_, T>, site: Site, size: &Size) {
    let packet = scene.packet;
    let (kind, session) = match packet.opaque {
        Opaque::None => return,
        Opaque::WireGuard => (OuterKind::WireGuard, packet.session),
        Opaque::WireGuardHandshake => (OuterKind::WireGuardHandshake, 0),
        Opaque::LaterFragment => (OuterKind::LaterFragment, 0),
        Opaque::Tcp => (OuterKind::MarkedTcp, remote_port(packet)),
    };
    let (source, destination) = packet.key.ends(packet.direction);
    let mut key = OuterKey::new(site, kind, source, destination);
    key.session = session;
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

/// Destination port.
#[inline(always)]
fn remote_port(packet: &Packet) -> u32 {
    let port = match packet.direction {
        FlowDirection::LowToHigh => packet.key.high_port,
        FlowDirection::HighToLow => packet.key.low_port,
    };
    u32::from(u16::from_be_bytes(port))
}
