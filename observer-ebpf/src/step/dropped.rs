//! Whose packet it was that the kernel dropped: its path and direction, by the same tables as those of
//! packets that pass.
//!
//! Never: an entry in `biflows`. A dropped packet has passed nothing.

use crate::abi::PATH_HOST;
use crate::abi::PATH_UNKNOWN;
use crate::abi::biflow::Assignment;
use crate::abi::control::Budget;
use crate::abi::counter::Loss;
use crate::abi::event::EventKind;
use crate::abi::point::{FlowDirection, Hook, Point, Site};
use crate::parse::Packet;

use super::scene::Scene;
use super::{Tables, announce, budget, entry};

/// Path number and direction of a dropped packet; `None` if both ends are outside the networks. A pair
/// without a number is announced, so that its next packet has one.
#[inline(always)]
pub fn dropped<T: Tables>(tables: &T, packet: &Packet) -> Option<(u16, FlowDirection)> {
    let scene = Scene {
        tables,
        control: tables.control()?,
        packet,
    };
    let key = &packet.key;
    let known = tables.translation(key).or_else(|| tables.pair(&key.pair()));
    if let Some(word) = known {
        let assigned = Assignment::from_word(word);
        return Some((assigned.path, assigned.along(packet.direction)));
    }
    let path = entry::reserved(&scene);
    if path == PATH_UNKNOWN {
        announce_pair(&scene);
    }
    (path != PATH_HOST).then_some((path, packet.direction))
}

#[inline(never)]
fn announce_pair<T: Tables>(scene: &Scene<'_, T>) {
    if !budget::take(*scene, Budget::Announcements) {
        return scene.tables.count(Loss::AnnounceBudget.into(), 1);
    }
    let anywhere = Site {
        point: Point::Port,
        hook: Hook::Ingress,
    };
    let mut event = announce::event(*scene, anywhere, EventKind::Dropped, PATH_UNKNOWN);
    event.time = scene.tables.monotonic();
    // Two constant words side by side would be joined into one misaligned store.
    event.sequence = scene.packet.timing.sequence_end;
    let wake = budget::take(*scene, Budget::Wakeups);
    announce::emit(*scene, &event, wake, Loss::RingFull);
}
