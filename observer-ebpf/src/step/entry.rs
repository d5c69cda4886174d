//! From a packet to its biflow entry and path number: one look-up in steady traffic; inserts and
//! look-ups of translations and pairs only at a flow's first packet, at a new version of `pairs` and
//! at each epoch.

use crate::abi::biflow::{Assignment, Biflow};
use crate::abi::control::Budget;
use crate::abi::counter::Loss;
use crate::abi::key::{FlowKey, FlowKind};
use crate::abi::point::Site;
use crate::abi::row::Row;
use crate::abi::{PATH_EXTERNAL, PATH_HOST, PATH_REFUSED, PATH_UNKNOWN};
use crate::cell::Cell32;

use super::scene::Scene;
use super::{Inserted, Tables, announced, budget, fragment, opaque, quote, refusal};

/// Finds or makes the entry of the packet's flow, else says on which row it counts.
#[inline(always)]
pub(super) fn place<T: Tables>(
    scene: Scene<'_, T>,
    site: Site,
    mark: u32,
) -> Result<&Biflow<T::W32, T::W64>, Row> {
    let (control, packet) = (scene.control, scene.packet);
    let key = &packet.key;
    let on = |path| Row::new(path, site.point, packet.direction);
    let maybe_pod = control.cover.holds(&key.low) || control.cover.holds(&key.high);
    if site.point.carries_host_traffic() && !maybe_pod {
        return Err(on(PATH_HOST));
    }
    if let Some(entry) = scene.tables.biflow(key) {
        return Ok(entry);
    }
    match create(&scene, site, mark) {
        CREATED => scene.tables.biflow(key).ok_or(on(PATH_REFUSED)),
        row => Err(Row::at(row)),
    }
}

/// Answer of [`create`]: look again.
const CREATED: u32 = u32::MAX;

/// Makes an entry, or answers with the index of the row of a packet that gets none. Nothing of another
/// kind than a flow has an entry: all that is rare is behind this one call.
#[inline(never)]
fn create<T: Tables>(scene: &Scene<'_, T>, site: Site, mark: u32) -> u32 {
    let packet = scene.packet;
    if packet.key.kind == FlowKind::IcmpError as u8 {
        let row = quote::row(scene, site);
        announced::count(scene, site, row);
        return row;
    }
    if packet.key.kind == FlowKind::LaterFragments as u8 {
        let row = fragment::row(scene, site, mark);
        // Here, not there: the calls would take too much stack one within the other.
        return if row == fragment::ITS_PAIRS {
            let assigned = Assignment::from_word(known(scene, &packet.key));
            Row::new(assigned.path, site.point, assigned.along(packet.direction)).index()
        } else {
            row
        };
    }
    match insert(scene, site, mark) {
        Ok(()) => CREATED,
        Err(path) => Row::new(path, site.point, packet.direction).index(),
    }
}

/// Makes an entry, or names the reserved path of a flow that gets none.
#[inline(always)]
fn insert<T: Tables>(scene: &Scene<'_, T>, site: Site, mark: u32) -> Result<(), u16> {
    let (tables, key) = (scene.tables, &scene.packet.key);
    if opaque::is_nodes_own(scene, site, mark) {
        return Err(PATH_HOST);
    }
    let low = tables.is_networked(&key.low);
    let high = tables.is_networked(&key.high);
    if !low && !high && site.point.carries_host_traffic() {
        return Err(PATH_HOST);
    }
    if low != high && site.point.is_underlay() {
        return Err(PATH_EXTERNAL);
    }
    if !budget::take(*scene, Budget::Inserts) {
        tables.count(Loss::InsertBudget.into(), 1);
        refusal::flow(scene, site, Loss::InsertBudget);
        return Err(PATH_REFUSED);
    }
    match tables.insert_biflow(key) {
        Inserted::Present => Ok(()),
        Inserted::Refused => {
            tables.count(Loss::InsertRefused.into(), 1);
            refusal::flow(scene, site, Loss::InsertRefused);
            Err(PATH_REFUSED)
        }
        Inserted::New => {
            tables.count(Loss::Inserted.into(), 1);
            Ok(())
        }
    }
}

/// The entry's assignment, asked again if the flow has none for good and `pairs` changed since.
#[inline(always)]
pub(super) fn assignment<T: Tables>(
    scene: Scene<'_, T>,
    entry: &Biflow<T::W32, T::W64>,
) -> Assignment {
    let held = Assignment::from_word(entry.assignment.load());
    if held.is_provisional() && entry.pairs_version.load() != scene.control.pairs_version {
        return ask(scene, entry);
    }
    held
}

/// True if what leaves by a port of this flow has entered by another one under another key.
#[inline(always)]
pub(super) fn enters_elsewhere<W32: Cell32, W64>(entry: &Biflow<W32, W64>) -> bool {
    Assignment::from_word(entry.assignment.load()).flags & Assignment::ENTERS_ELSEWHERE != 0
}

/// Asks `translations` and `pairs` for the flow's path.
#[inline(always)]
pub(super) fn ask<T: Tables>(scene: Scene<'_, T>, entry: &Biflow<T::W32, T::W64>) -> Assignment {
    Assignment::from_word(look_up(&scene, entry))
}

/// Keeps what is known of the flow.
#[inline(never)]
fn look_up<T: Tables>(scene: &Scene<'_, T>, entry: &Biflow<T::W32, T::W64>) -> u32 {
    entry.pairs_version.store(scene.control.pairs_version);
    let found = known(scene, &scene.packet.key);
    entry.assignment.store(found);
    found
}

/// The flow's own assignment, else its pair's; without both the reserved path that its ends call
/// for. As a word.
#[inline(never)]
pub(super) fn known<T: Tables>(scene: &Scene<'_, T>, key: &FlowKey) -> u32 {
    let tables = scene.tables;
    let known = tables.translation(key).or_else(|| tables.pair(&key.pair()));
    known.unwrap_or_else(|| {
        Assignment {
            path: reserved(scene),
            rate: scene.control.rate,
            flags: 0,
        }
        .word()
    })
}

/// The reserved path of a flow whose pair has none of its own.
#[inline(never)]
pub(super) fn reserved<T: Tables>(scene: &Scene<'_, T>) -> u16 {
    let (tables, key) = (scene.tables, &scene.packet.key);
    match (
        tables.is_networked(&key.low),
        tables.is_networked(&key.high),
    ) {
        (true, true) if scene.control.paths_full != 0 => PATH_REFUSED,
        (true, true) => PATH_UNKNOWN,
        (true, false) | (false, true) => PATH_EXTERNAL,
        (false, false) => PATH_HOST,
    }
}
