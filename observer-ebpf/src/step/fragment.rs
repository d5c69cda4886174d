//! Where a later fragment counts: on the path of the flow that its first fragment names. It makes no
//! entry, marks no trajectory.

use crate::abi::PATH_HOST;
use crate::abi::biflow::Assignment;
use crate::abi::counter::Loss;
use crate::abi::fragment::{FirstFragment, FragmentKey};
use crate::abi::point::Site;
use crate::abi::row::Row;
use crate::cell::Cell32;
use crate::parse::Packet;

use super::scene::Scene;
use super::{Tables, opaque, timing};

/// Keeps what a first fragment says of those behind it.
#[inline(never)]
pub(super) fn remember<T: Tables>(tables: &T, packet: &Packet) {
    let key = FragmentKey::of(&packet.key, packet.direction, packet.identification);
    tables.keep_first_fragment(&key, &FirstFragment::of(&packet.key, packet.direction));
}

/// Answer of [`row`]: the fragment is its pair's.
pub(super) const ITS_PAIRS: u32 = u32::MAX;

/// Index of the row of a later fragment: of its flow's entry, else its pair's. One whose first fragment
/// was not seen, or was long ago, is its pair's too, and counted.
#[inline(never)]
pub(super) fn row<T: Tables>(scene: &Scene<'_, T>, site: Site, mark: u32) -> u32 {
    let (tables, packet) = (scene.tables, scene.packet);
    if opaque::is_nodes_own(scene, site, mark) {
        return Row::new(PATH_HOST, site.point, packet.direction).index();
    }
    let key = FragmentKey::of(&packet.key, packet.direction, packet.identification);
    let Some(first) = tables.first_fragment(&key) else {
        tables.count(Loss::FragmentsUnmatched.into(), 1);
        return ITS_PAIRS;
    };
    let (flow, direction) = first.flow(&key);
    match tables.biflow(&flow) {
        Some(entry) if timing::leaves_by_second_port(site, entry, direction) => {
            Row::NOWHERE.index()
        }
        Some(entry) => {
            let assigned = Assignment::from_word(entry.assignment.load());
            Row::new(assigned.path, site.point, assigned.along(direction)).index()
        }
        None => ITS_PAIRS,
    }
}
