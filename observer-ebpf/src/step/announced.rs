//! Which MTU an ICMP error announces to a pod, for the path of the packet that was too long. An error
//! leaves by one port, or without ports by the bridge, so that it counts once.
//!
//! Never: a drop. Who dropped the packet is another node's word, or was counted there.

use crate::abi::PATH_HOST;
use crate::abi::announced::AnnouncedKey;
use crate::abi::counter::Loss;
use crate::abi::point::{Hook, Site};
use crate::abi::row::Row;
use crate::cell::Cell64;
use crate::parse::IcmpErrorKind;

use super::scene::Scene;
use super::timing::is_pod_point;
use super::{Inserted, Tables};

/// Counts the error if it is about a packet's length and on its way to a pod. `row` is the index of its
/// own row.
#[inline(never)]
pub(super) fn count<T: Tables>(scene: &Scene<'_, T>, site: Site, row: u32) {
    let error = &scene.packet.error;
    let row = Row::at(row);
    let is_to_pod = matches!(site.hook, Hook::Egress) && is_pod_point(*scene, site);
    if error.kind != IcmpErrorKind::TooBig || !is_to_pod || row.path() == PATH_HOST {
        return;
    }
    let key = AnnouncedKey {
        sender: error.sender,
        mtu: error.mtu,
        path: row.path(),
        direction: row.direction().reverse() as u8,
        reserved: 0,
    };
    let tables = scene.tables;
    if let Some(packets) = tables.announced(&key) {
        return packets.add(1);
    }
    let inserted = tables.insert_announced(&key) != Inserted::Refused;
    match tables.announced(&key).filter(|_| inserted) {
        Some(packets) => packets.add(1),
        None => tables.count(Loss::AnnouncedRefused.into(), 1),
    }
}
