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
    let announcers = announcers(paths, |address| {
        if let Some(known) = asked.get(&address) {
            return Ok(*known);
        }
        let found = match routing.route(RouteQuestion::to(address)) {
            Ok(route) => route.gateway,
            // Whoever sends ICMP errors names these addresses: one that the kernel does not like is no
            // reason to end.
            Err(error @ NetlinkError::Ask { .. }) => {
                tracing::debug!("no next hop of who announced an MTU: {error}");
                None
            }
            Err(error) => return Err(error),
        };
        asked.insert(address, found);
        Ok::<_, NetlinkError>(found)
    })?;
    let found = announcers.into_iter().filter_map(|(hop, announcer)| {
        let vtep = announcer.paths.iter().find_map(|path| path.peer);
        stale_mtu_elsewhere(&AnnouncedFacts {
            node,
            peer: vtep.unwrap_or(hop),
            routers: &announcer.routers,
            paths: &announcer.paths,
            bridge: points.first(Point::Bridge),
        })
    });
    Ok(found.collect())
}

/// By next hop, the nodes that have announced something about pods of their own.
fn announcers<E>(
    paths: &[PathReport],
    mut next_hop: impl FnMut(IpAddr) -> Result<Option<IpAddr>, E>,
) -> Result<BTreeMap<IpAddr, Announcer<'_>>, E> {
    let mut announcers: BTreeMap<IpAddr, Announcer<'_>> = BTreeMap::new();
    for path in paths.iter().filter(|path| path.source_is_local) {
        let told = path.oversize.iter().flat_map(Oversize::told);
        let routers: BTreeSet<_> = told.map(|(told, _)| told.from).collect();
        let (Some(destination), false) = (path.destination.address, routers.is_empty()) else {
            continue;
        };
        let Some(hop) = next_hop(destination)? else {
            continue;
        };
        let mut own = BTreeSet::new();
        for router in routers {
            if next_hop(router)? == Some(hop) {
                own.insert(router);
            }
        }
        if !own.is_empty() {
            let announcer = announcers.entry(hop).or_default();
            announcer.routers.extend(own);
            announcer.paths.push(path);
        }
    }
    Ok(announcers)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::export::fixture;
    use crate::path::Announced;

    const POD: [u8; 4] = [10, 42, 2, 7];
    const HOP: [u8; 4] = [10, 42, 2, 0];
    const OWN: [u8; 4] = [10, 42, 1, 1];

    /// Next hops and routers of what is found for a pod of 10.42.2.0/24, of one who was told by these.
    fn found(is_local: bool, from: &[[u8; 4]]) -> Vec<(IpAddr, Vec<IpAddr>)> {
        let mut report = fixture::report();
        report.source_is_local = is_local;
        report.destination.address = Some(POD.into());
        let announced = from.iter().map(|&from| Announced {
            from: from.into(),
            number: 1_230,
            ..fixture::report().oversize.expect("proofs").announced[0].clone()
        });
        report.oversize = Some(Oversize {
            dropped: Vec::new(),
            announced: announced.collect(),
        });
        let next_hop = |address: IpAddr| {
            let IpAddr::V4(address) = address else {
                return Ok::<_, Infallible>(None);
            };
            let [a, b, c, _] = address.octets();
            let is_pods = (a, b) == (10, 42) && c != OWN[2];
            Ok(is_pods.then(|| [a, b, c, 0].into()))
        };
        let reports = [report.clone(), report];
        let Ok(found) = announcers(&reports, next_hop);
        let found = found.into_iter().map(|(hop, announcer)| {
            assert_eq!(announcer.paths.len(), 2);
            (hop, announcer.routers.into_iter().collect())
        });
        found.collect()
    }

    #[test]
    fn who_is_behind_the_same_next_hop_is_the_pods_own_node() {
        let bridge = [10, 42, 2, 1];
        let both = vec![HOP.into(), bridge.into()];
        assert_eq!(found(true, &[HOP, bridge]), [(HOP.into(), both)]);
        let (other, stranger) = ([10, 42, 3, 0], [192, 0, 2, 1]);
        for from in [other, stranger, OWN] {
            assert_eq!(found(true, &[from]), [], "{from:?}");
        }
        let one = vec![HOP.into()];
        assert_eq!(found(true, &[OWN, HOP, other]), [(HOP.into(), one)]);
        assert_eq!(found(false, &[HOP]), [], "another node's pod was told");
        assert_eq!(found(true, &[]), []);
    }
}
