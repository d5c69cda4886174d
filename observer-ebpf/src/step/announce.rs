//! Announced flows: the first packet of a biflow per (point, hook, direction) makes one event, so
//! that user space can name the pair and join translations.

use crate::abi::PATH_UNKNOWN;
use crate::abi::biflow::{Biflow, announced_bit};
use crate::abi::control::Budget;
use crate::abi::counter::Loss;
use crate::abi::event::{Event, EventKind};
use crate::abi::point::{FlowDirection, Hook, Site};
use crate::cell::Cell32;
use crate::parse::TCP_SYN;

use super::scene::Scene;
use super::{Tables, budget};

/// Announces the packet's flow at this site if that was not done before.
#[inline(always)]
pub(super) fn announce<T: Tables>(
    scene: Scene<'_, T>,
    site: Site,
    entry: &Biflow<T::W32, T::W64>,
    path: u16,
) {
    if !is_announced(entry, site, scene.packet.direction) {
        first_packet(&scene, site, entry, path);
    }
}

/// True if the direction's first packet at the site was seen before.
#[inline(always)]
pub(super) fn is_announced<W32: Cell32, W64>(
    entry: &Biflow<W32, W64>,
    site: Site,
    direction: FlowDirection,
) -> bool {
    entry.announced.load() & (1 << (announced_bit(site, direction) & 31)) != 0
}

/// The ingress hook of a site's device.
#[inline(always)]
pub(super) const fn entrance(site: Site) -> Site {
    Site {
        point: site.point,
        hook: Hook::Ingress,
    }
}

#[inline(never)]
fn first_packet<T: Tables>(
    scene: &Scene<'_, T>,
    site: Site,
    entry: &Biflow<T::W32, T::W64>,
    path: u16,
) {
    let packet = scene.packet;
    let bit = 1_u32 << (announced_bit(site, packet.direction) & 31);
    if entry.announced.fetch_or(bit) & bit != 0 {
        return;
    }
    if !budget::take(*scene, Budget::Announcements) {
        return scene.tables.count(Loss::AnnounceBudget.into(), 1);
    }
    let timing = &packet.timing;
    let is_syn = timing.tcp_flags & TCP_SYN != 0;
    let mut event = event(*scene, site, EventKind::Announced, path);
    event.time = scene.tables.monotonic();
    event.sequence = if is_syn {
        timing.sequence_end.wrapping_sub(1)
    } else {
        0
    };
    // A pair without a path counts as unknown until user space has named it: worth a wake-up.
    let wake = path == PATH_UNKNOWN && budget::take(*scene, Budget::Wakeups);
    emit(*scene, &event, wake, Loss::RingFull);
}

/// An event about the packet, without time.
#[inline(always)]
pub(super) fn event<T: Tables>(
    scene: Scene<'_, T>,
    site: Site,
    kind: EventKind,
    path: u16,
) -> Event {
    let timing = &scene.packet.timing;
    Event {
        key: scene.packet.key,
        answer: timing.answer,
        probe: timing.probe,
        ack: timing.ack,
        length: scene.packet.length,
        path,
        kind: kind as u8,
        point: site.point as u8,
        hook: site.hook as u8,
        direction: scene.packet.direction as u8,
        tcp_flags: timing.tcp_flags,
        ..Event::default()
    }
}

/// Submits an event; a full ring is counted as `loss`.
#[inline(always)]
pub(super) fn emit<T: Tables>(scene: Scene<'_, T>, event: &Event, wake: bool, loss: Loss) {
    if !scene.tables.emit(event, wake) {
        scene.tables.count(loss.into(), 1);
    }
}
