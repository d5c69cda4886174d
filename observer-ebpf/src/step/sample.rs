//! What a timed packet leaves behind: a histogram count, a record of a selected round trip, a
//! retransmission. Calls of their own, since they are rare.

use crate::abi::biflow::{Assignment, Biflow};
use crate::abi::control::Budget;
use crate::abi::counter::Loss;
use crate::abi::event::EventKind;
use crate::abi::point::Site;
use crate::abi::row::{Row, bucket};
use crate::cell::Cell32;

use super::announce::{emit, event};
use super::scene::Scene;
use super::timing::{Armed, STALE};
use super::{Tables, budget, is_selected};

/// Counts the round trip that the packet closes, and reports it if it is selected.
#[inline(never)]
pub(super) fn take_sample<T: Tables>(scene: &Scene<'_, T>, site: Site, armed: Armed, word: u32) {
    let assignment = Assignment::from_word(word);
    let time = scene.tables.monotonic();
    let rtt = time.ticks().since(armed.since());
    if rtt.0 >= STALE {
        return stale(scene);
    }
    scene.tables.count(Loss::Samples.into(), 1);
    let row = Row::new(
        assignment.path,
        site.point,
        assignment.along(scene.packet.direction.reverse()),
    );
    let cell = scene
        .tables
        .rtt(row)
        .and_then(|row| row.buckets.get(bucket(rtt)));
    if let Some(cell) = cell {
        cell.add(1);
    }
    if !is_selected(armed.probe(), assignment.rate) {
        return;
    }
    if !budget::take(*scene, Budget::RoundTrips) {
        return scene.tables.count(Loss::RoundTripBudget.into(), 1);
    }
    let mut record = event(*scene, site, EventKind::RoundTrip, assignment.path);
    record.time = time;
    record.rtt = rtt;
    emit(*scene, &record, false, Loss::RoundTripRingFull);
}

/// Counts a probe that nobody answered in time.
#[inline(never)]
pub(super) fn stale<T: Tables>(scene: &Scene<'_, T>) {
    scene.tables.count(Loss::ProbesStale.into(), 1);
}

/// Counts a segment seen again at its sender's pod point, and the largest of them.
#[inline(never)]
pub(super) fn retransmission<T: Tables>(scene: &Scene<'_, T>, entry: &Biflow<T::W32, T::W64>) {
    let tcp = scene.packet.direction.of(&entry.tcp);
    tcp.retransmitted.add(1);
    let (length, largest) = (scene.packet.length, tcp.largest.load());
    if length > largest >> 16 && u16::try_from(length).is_ok() {
        tcp.largest.store((length << 16) | (largest & 0xffff));
    }
}
