//! Where an ICMP error counts: on the path of the flow that it is about. It makes no entry, marks no
//! trajectory and times nothing.

use crate::abi::PATH_HOST;
use crate::abi::biflow::Assignment;
use crate::abi::counter::Loss;
use crate::abi::key::FlowKind;
use crate::abi::point::Site;
use crate::abi::row::Row;
use crate::cell::Cell32;

use super::scene::Scene;
use super::{Tables, entry};

/// Index of the row of an ICMP error: of the quoted flow's entry, else of what is known of its ends.
/// What is about a node's own packets in the pods' networks is the host's.
#[inline(never)]
pub(super) fn row<T: Tables>(scene: &Scene<'_, T>, site: Site) -> u32 {
    let (tables, packet) = (scene.tables, scene.packet);
    let mut key = packet.key;
    key.kind = FlowKind::Flow as u8;
    let word = if let Some(entry) = tables.biflow(&key) {
        entry.assignment.load()
    } else {
        tables.count(Loss::ErrorsUnmatched.into(), 1);
        if tables.is_node(&key.low) || tables.is_node(&key.high) {
            return Row::new(PATH_HOST, site.point, packet.direction).index();
        }
        entry::known(scene, &key)
    };
    let assigned = Assignment::from_word(word);
    Row::new(assigned.path, site.point, assigned.along(packet.direction)).index()
}
