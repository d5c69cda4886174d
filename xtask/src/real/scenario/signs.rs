//! Signs that several scenarios have in common. Each looks at one thing and says what it saw.

use super::{Expected, Outcome};
use crate::oracle::{self, Hook};
use crate::real::RealError;
use crate::real::counters::Kind;
use crate::real::evidence::{Evidence, Sign};
use crate::real::plan::Node;
use crate::traffic::probe::Transfer;

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

/// No packets of a kind leave by a device of a node, which is there.
pub(super) fn never_leaves(evidence: &Evidence<'_>, node: &Node, device: &str, kind: Kind) -> Sign {
    let packets = evidence.counted(&node.name, device, Hook::Egress, kind);
    let name = &node.name;
    Sign::new(
        format!("no {kind:?} leaves {name} by {device}"),
        packets == Some(0),
        packets.map_or("no such device".to_owned(), |packets| {
            format!("{packets} packets")
        }),
    )
}

/// Every pair is answered, or is not, as its outcome says.
pub(super) fn as_expected(evidence: &Evidence<'_>) -> Result<Vec<Sign>, RealError> {
    let lab = evidence.lab();
    let paths = (lab.scenario().paths)(lab)?;
    let busy = paths.iter().filter(|path| path.outcome != Outcome::Idle);
    busy.map(|path| answered(evidence, path)).collect()
}

/// A pair is answered, or is not, as its outcome says.
pub(super) fn answered(evidence: &Evidence<'_>, path: &Expected) -> Result<Sign, RealError> {
    let carried = evidence.carried(path)?;
    // A Service answers no echo request.
    let (sent, received) = if path.via.is_none() {
        (carried.echoes.sent, carried.echoes.received)
    } else {
        let answered = carried.requests.answered;
        (answered + carried.requests.failures.total(), answered)
    };
    let whole = [&carried.down, &carried.up].map(|transfer| transfer.completed);
    let all = received * 10 >= sent * 9;
    let (word, is_so) = match path.outcome {
        Outcome::Reply => ("answers", all && whole == [true; 2]),
        Outcome::SmallOnly => ("answers only what is small to", all && whole == [false; 2]),
        Outcome::Slow => ("answers slowly", all && is_slow(&carried.down)),
        Outcome::NoReply | Outcome::Idle => ("never answers", received == 0),
    };
    let [down, up] = [&carried.down, &carried.up].map(|transfer| transfer.bytes);
    Ok(Sign::new(
        format!("{} {word} {}", path.to, path.from),
        is_so && sent > 0,
        format!("{received} of {sent} requests, {down} bytes down and {up} up"),
    ))
}

/// Whether a transfer took more than a healthy path takes by far, or is under way still.
fn is_slow(transfer: &Transfer) -> bool {
    !transfer.completed || transfer.seconds > 1.0
}

/// A counter of the protocols grows in a node or a pod.
pub(super) fn grows(evidence: &Evidence<'_>, place: &str, counter: &str) -> Sign {
    let growth = evidence.grown(place, counter);
    Sign::new(
        format!("{counter} of {place} grows"),
        growth > 0,
        growth.to_string(),
    )
}

/// A counter of the protocols does not.
pub(super) fn rests(evidence: &Evidence<'_>, place: &str, counter: &str) -> Sign {
    let growth = evidence.grown(place, counter);
    Sign::new(
        format!("{counter} of {place} rests"),
        growth == 0,
        growth.to_string(),
    )
}

/// A device has this MTU.
pub(super) fn has_mtu(place: &str, device: &str, mtu: u32) -> Result<Sign, RealError> {
    let found = oracle::link::find(place, device)?.map(|link| link.mtu);
    Ok(Sign::new(
        format!("{device} of {place} has MTU {mtu}"),
        found == Some(mtu),
        format!("{found:?}"),
    ))
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
