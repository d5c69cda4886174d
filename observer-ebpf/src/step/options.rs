//! What the two ends of a TCP connection say of it, kept at the pod point: MSS, window scale, whether
//! they may and do acknowledge selectively.

use crate::abi::biflow::Biflow;
use crate::abi::point::Site;
use crate::cell::Cell32;
use crate::parse::TCP_SYN;

use super::Tables;
use super::scene::Scene;
use super::timing::{is_pod_point, leaves_by_second_port};

/// Keeps a packet's options with its flow direction.
#[inline(always)]
pub(super) fn remember<T: Tables>(scene: Scene<'_, T>, site: Site, entry: &Biflow<T::W32, T::W64>) {
    if !scene.packet.options.is_none() && is_pod_point(scene, site) {
        keep(&scene, site, entry);
    }
}

/// A SYN begins a connection anew; any other segment adds that blocks were acknowledged.
#[inline(never)]
fn keep<T: Tables>(scene: &Scene<'_, T>, site: Site, entry: &Biflow<T::W32, T::W64>) {
    if leaves_by_second_port(site, entry, scene.packet.direction) {
        return;
    }
    let packet = scene.packet;
    let cell = &packet.direction.of(&entry.tcp).options;
    let (held, said) = (cell.load(), packet.options.word());
    if packet.timing.tcp_flags & TCP_SYN != 0 {
        cell.store(said);
    } else if held & said != said {
        cell.fetch_or(said);
    }
}
