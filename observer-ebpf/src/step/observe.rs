//! The step's entry: one parsed packet at one site.

use crate::abi::biflow::{Biflow, CARRIES_DISCO, CARRIES_WIREGUARD, trajectory_bit};
use crate::abi::counter::{Counter, Loss};
use crate::abi::point::{Point, Site};
use crate::abi::row::Row;
use crate::abi::{PATH_HOST, PATH_UNKNOWN};
use crate::cell::{Cell32, Cell64, Tally};
use crate::parse::{Fragment, Opaque, Packet};

use super::scene::Scene;
use super::{
    Size, Tables, announce, entry, fragment, opaque, options, outer, size, timing, trajectory,
    tunnel,
};

/// What the kernel says of a buffer beside its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// Length of the buffer from its first header on, bytes.
    pub length: u32,
    /// Payload per segment of an aggregate, 0 = none.
    pub gso_size: u32,
    /// Socket buffer mark.
    pub mark: u32,
}

/// Counts a frame that is no packet, for its one reason; answers with the cell that counted it.
#[inline(always)]
pub fn refuse<T: Tables>(tables: &T, reason: Counter) -> u32 {
    tables.count(Loss::Frames.into(), 1);
    tables.count(reason, 1);
    reason.index()
}

/// Counts a packet whose headers go on where what can be read of it ends.
#[inline(always)]
pub fn count_cut<T: Tables>(tables: &T, packet: &Packet) {
    if packet.missing != 0 {
        tables.count(Loss::CaptureShort.into(), 1);
    }
}

/// Counts, marks, times and announces one packet. If its buffer holds further datagrams, answers with
/// the row that the first one counted on: the others are [`super::further`]'s.
#[inline(always)]
pub fn observe<T: Tables>(tables: &T, site: Site, frame: Frame, packet: &Packet) -> Option<Row> {
    tables.count(Loss::Frames.into(), 1);
    let control = tables.control()?;
    let scene = Scene {
        tables,
        control,
        packet,
    };
    let size = size(packet, frame);
    if packet.too_deep {
        tables.count(Loss::TooDeep.into(), 1);
    }
    if matches!(site.point, Point::Tunnel) {
        tunnel::count(scene, site.hook, frame, &size);
    }
    let has_further = site.point.carries_host_traffic() && size.further > 0;
    let own = if has_further {
        Size::first(packet)
    } else {
        size
    };
    let row = match entry::place(scene, site, frame.mark) {
        Ok(entry) => with_entry(scene, site, entry, own),
        Err(row) => {
            add_traffic(tables, row, own);
            add_fragments(tables, row, packet);
            if row.path() == PATH_HOST && site.point.carries_host_traffic() {
                opaque::count(scene, site, frame.mark, &size);
            }
            row
        }
    };
    has_further.then_some(row)
}

#[inline(always)]
fn with_entry<T: Tables>(
    scene: Scene<'_, T>,
    site: Site,
    entry: &Biflow<T::W32, T::W64>,
    size: Size,
) -> Row {
    let packet = scene.packet;
    let mut assigned = entry::assignment(scene, entry);
    let window = scene.window();
    if entry.last_seen.load() != window {
        entry.last_seen.store(window);
    }
    let marks = packet.direction.of(&entry.trajectory);
    let opened = trajectory::mark(
        marks,
        scene.control.epoch,
        1 << trajectory_bit(site, packet.carriage) | carries(packet.opaque),
    );
    if opened && assigned.path != PATH_UNKNOWN {
        assigned = entry::ask(scene, entry);
    }
    let row = Row::new(assigned.path, site.point, assigned.along(packet.direction));
    if !timing::leaves_by_second_port(site, entry, packet.direction) {
        add_traffic(scene.tables, row, size);
        add_fragments(scene.tables, row, packet);
    }
    outer::remember(scene, site, entry, assigned.path);
    options::remember(scene, site, entry);
    announce::announce(scene, site, entry, assigned.path);
    timing::time(scene, site, entry, assigned);
    row
}

/// The trajectory bit that says what a pod's packet carries itself.
#[inline(always)]
const fn carries(opaque: Opaque) -> u32 {
    match opaque {
        Opaque::WireGuard | Opaque::PeerRelay => 1 << CARRIES_WIREGUARD,
        Opaque::Disco | Opaque::PeerRelayControl => 1 << CARRIES_DISCO,
        Opaque::None
        | Opaque::WireGuardHandshake
        | Opaque::Tcp
        | Opaque::LaterFragment
        | Opaque::Stun => 0,
    }
}

#[inline(always)]
fn add_traffic<T: Tables>(tables: &T, row: Row, size: Size) {
    if let Some(traffic) = tables.traffic(row) {
        traffic.buffers.add(1);
        traffic.bytes.add(size.bytes);
        traffic.segments.add(size.segments);
    }
}

#[inline(always)]
fn add_fragments<T: Tables>(tables: &T, row: Row, packet: &Packet) {
    let outer_first = packet
        .around()
        .is_some_and(|outer| outer.fragment == Fragment::First);
    let inner = packet.fragment != Fragment::None;
    if !inner && !outer_first {
        return;
    }
    if packet.fragment == Fragment::First && row.path() != PATH_HOST {
        fragment::remember(tables, packet);
    }
    if let Some(fragments) = tables.fragments(row) {
        if inner {
            fragments.inner.add(1);
        }
        if outer_first {
            fragments.first_outer.add(1);
        }
    }
}
