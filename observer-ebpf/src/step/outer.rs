//! The outer flow around an inner one: a hash per point and flow direction tells whether it
//! changed; only a change looks `outer_flows` up.

use crate::abi::biflow::Biflow;
use crate::abi::counter::Loss;
use crate::abi::outer::{OuterFlow, OuterKey, OuterKind};
use crate::abi::point::Site;
use crate::cell::{Cell32, Cell64};
use crate::parse::Outer;

use super::scene::Scene;
use super::{Inserted, Tables};

/// Remembers the outer flow of a VXLAN packet.
#[inline(always)]
pub(super) fn remember<T: Tables>(
    scene: Scene<'_, T>,
    site: Site,
    entry: &Biflow<T::W32, T::W64>,
    path: u16,
) {
    let Some(around) = scene.packet.around() else {
        return;
    };
    let Some(state) = entry.points.get(site.point.index()) else {
        return;
    };
    let held = scene.packet.direction.of(&state.outer);
    let hash = OuterKind::Vxlan.hash(&around.source, &around.destination);
    if held.load() != hash {
        held.store(hash);
        change(&scene, site, around, path);
    }
}

#[inline(never)]
fn change<T: Tables>(scene: &Scene<'_, T>, site: Site, around: &Outer, path: u16) {
    let key = OuterKey::new(site, OuterKind::Vxlan, around.source, around.destination);
    if let Some(flow) = find_or_insert(scene.tables, &key) {
        flow.last_seen.store(u64::from(scene.window()));
        flow.path.store(u64::from(path));
    }
}

/// The entry of an outer flow, made if there is room.
#[inline(always)]
pub(super) fn find_or_insert<'a, T: Tables>(
    tables: &'a T,
    key: &OuterKey,
) -> Option<&'a OuterFlow<T::W64>> {
    if let Some(flow) = tables.outer_flow(key) {
        return Some(flow);
    }
    if tables.insert_outer_flow(key, tables.monotonic()) == Inserted::Refused {
        tables.count(Loss::OuterFlowsFull.into(), 1);
        return None;
    }
    tables.outer_flow(key)
}
