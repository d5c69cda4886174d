//! Which nodes have announced MTUs to pods of this one, as the kernel's routes say, and the rule over it.
//!
//! Never: an address that tells a node by its form. Who announced is a pod's own node if the kernel sends
//! packets for both to the same next hop.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use observer_ebpf::abi::point::Point;

use crate::diagnosis::{AnnouncedFacts, Finding, stale_mtu_elsewhere};
use crate::interfaces::NetlinkError;
use crate::path::{Devices, Oversize, PathReport};
use crate::routing::{RouteQuestion, Routing};

/// What one next hop's node has announced, and for which paths.
#[derive(Default)]
struct Announcer<'a> {
    routers: BTreeSet<IpAddr>,
    paths: Vec<&'a PathReport>,
}

/// Runs the rule for each node that has announced something of late. Asks the kernel once per address
/// and sweep, and nothing while nobody announces.
pub(super) fn findings(
    routing: &mut Routing,
    node: &str,
    paths: &[PathReport],
    points: &Devices,
) -> Result<Vec<Finding>, NetlinkError> {
    let mut asked = BTreeMap::new();
    let mut next_hop = |address| match asked.get(&address) {
        Some(known) => Ok(*known),
        None => {
            let found = routing.route(RouteQuestion::to(address))?.gateway;
            asked.insert(address, found);
            Ok(found)
        }
    };
    let mut announcers: BTreeMap<IpAddr, Announcer<'_>> = BTreeMap::new();
    for path in paths.iter().filter(|path| path.source_is_local) {
        let Some(destination) = path.destination.address else {
            continue;
        };
        let told = path.oversize.iter().flat_map(Oversize::told);
        for router in told.map(|(told, _)| told.from).collect::<BTreeSet<_>>() {
            let hops: [Option<IpAddr>; 2] = [next_hop(destination)?, next_hop(router)?];
            let [Some(hop), Some(same)] = hops else {
                continue;
            };
            if hop == same {
                let announcer = announcers.entry(hop).or_default();
                announcer.routers.insert(router);
                announcer.paths.push(path);
            }
        }
    }
    let found = announcers.into_iter().filter_map(|(hop, announcer)| {
        let Announcer { routers, mut paths } = announcer;
        // A path is one of its node's once, by however many of its addresses that announced.
        paths.dedup_by(|one, other| std::ptr::eq(*one, *other));
        let vtep = paths.iter().find_map(|path| path.peer);
        stale_mtu_elsewhere(&AnnouncedFacts {
            node,
            peer: vtep.unwrap_or(hop),
            routers: &routers,
            paths: &paths,
            bridge: points.first(Point::Bridge),
        })
    });
    Ok(found.collect())
}
