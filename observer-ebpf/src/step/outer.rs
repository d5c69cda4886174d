//! The outer flow around an inner one: a hash per point and flow direction tells whether it
//! changed; only a change looks `outer_flows` up.

use crate::abi::biflow::Biflow;
use crate::abi::control::Budget;
use crate::abi::counter::Loss;
use crate::abi::outer::{OuterFlow, OuterKey, OuterKind};
use crate::abi::point::Site;
use crate::cell::{Cell32, Cell64};
use crate::parse::Outer;

use super::scene::Scene;
use super::{Inserted, Tables, budget};

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
    let within = around.within.word();
    let hash = OuterKind::Vxlan.hash(&around.source, &around.destination, within);
    if held.load() != hash && change(&scene, site, around, path) {
        held.store(hash);
    }
}

/// True if the outer flow has an entry: a flow without one asks again with its next packet.
#[inline(never)]
fn change<T: Tables>(scene: &Scene<'_, T>, site: Site, around: &Outer, path: u16) -> bool {
    let mut key = OuterKey::new(site, OuterKind::Vxlan, around.source, around.destination);
    key.session = around.within.word();
    let Some(flow) = find_or_insert(*scene, &key) else {
        return false;
    };
    flow.last_seen.store(u64::from(scene.window()));
    flow.path.store(u64::from(path));
    true
}

/// The entry of an outer flow, made if there is room and budget for it.
#[inline(always)]
pub(super) fn find_or_insert<'a, T: Tables>(
    scene: Scene<'a, T>,
    key: &OuterKey,
) -> Option<&'a OuterFlow<T::W64>> {
    let tables = scene.tables;
    if let Some(flow) = tables.outer_flow(key) {
        return Some(flow);
    }
    let is_made = budget::take(scene, Budget::Inserts)
        && tables.insert_outer_flow(key, tables.monotonic()) != Inserted::Refused;
    if !is_made {
        tables.count(Loss::OuterFlowsFull.into(), 1);
        return None;
    }
    tables.outer_flow(key)
}
