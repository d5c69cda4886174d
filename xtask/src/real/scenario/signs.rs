//! Signs that several scenarios have in common. Each looks at one thing and says what it saw.

use super::Expected;
use crate::oracle::Hook;
use crate::real::RealError;
use crate::real::counters::Kind;
use crate::real::evidence::{Evidence, Sign};
use crate::real::plan::Node;

/// Least packets of a kind that are no coincidence, in the shortest run.
const SOME: u64 = 10;

/// The kernel sends what pods send to pods of another node by this device.
pub(super) fn road(
    evidence: &Evidence<'_>,
    path: &Expected,
    device: &str,
) -> Result<Sign, RealError> {
    let route = evidence.route(&path.node, path.source, path.target)?;
    let dev = route.dev.unwrap_or_default();
    let (node, to) = (&path.node, &path.to);
    let table = route
        .table
        .map_or(String::new(), |table| format!(" table {table}"));
    Ok(Sign::new(
        format!("{node} sends what is for {to} by {device}"),
        dev == device,
        format!("dev {dev}{table}"),
    ))
}

/// Packets of a kind leave by a device of a node.
pub(super) fn leaves(evidence: &Evidence<'_>, node: &Node, device: &str, kind: Kind) -> Sign {
    let packets = evidence.packets(&node.name, device, Hook::Egress, kind);
    let name = &node.name;
    Sign::new(
        format!("{kind:?} leaves {name} by {device}"),
        packets >= SOME,
        format!("{packets} packets"),
    )
}

/// No packets of a kind leave by a device of a node.
pub(super) fn never_leaves(evidence: &Evidence<'_>, node: &Node, device: &str, kind: Kind) -> Sign {
    let packets = evidence.packets(&node.name, device, Hook::Egress, kind);
    let name = &node.name;
    Sign::new(
        format!("no {kind:?} leaves {name} by {device}"),
        packets == 0,
        format!("{packets} packets"),
    )
}

/// Every pair is answered.
pub(super) fn all_answered(evidence: &Evidence<'_>) -> Vec<Sign> {
    let carried = evidence.all_carried().iter();
    carried
        .map(|own| {
            let (sent, received) = (own.echoes.sent, own.echoes.received);
            Sign::new(
                format!("{} answers {}", own.target, own.from),
                received * 10 >= sent * 9 && sent > 0,
                format!("{received} of {sent} echo requests"),
            )
        })
        .collect()
}

/// A node has another one on the link of a device: no router is between them.
pub(super) fn neighbour(
    evidence: &Evidence<'_>,
    node: &Node,
    other: &Node,
    device: &str,
) -> Result<Sign, RealError> {
    let address = other.address_of(device).unwrap_or(other.pod_network);
    let route = evidence.own_route(&node.name, address, None)?;
    let is_on_link = route.gateway.is_none() && route.dev.as_deref() == Some(device);
    Ok(Sign::new(
        format!("{} has {address} on the link of {device}", node.name),
        is_on_link,
        format!("dev {:?} via {:?}", route.dev, route.gateway),
    ))
}
