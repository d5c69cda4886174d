//! Signs of the tailnet's part in a road: which table takes packets, how tailscaled says it reaches
//! a peer, how far the answers come from. Each looks at one thing and says what it saw.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use super::Expected;
use crate::oracle::Mode;
use crate::oracle::tailscale::Node as Peer;
use crate::real::RealError;
use crate::real::evidence::{Evidence, Sign};
use crate::real::plan::Node;

/// The tailnet's table, before any other, takes what pods of a node send.
pub(super) fn taken_by_tailnet(
    evidence: &Evidence<'_>,
    path: &Expected,
) -> Result<Sign, RealError> {
    let route = evidence.route(&path.node, path.source, path.target)?;
    let (node, to) = (&path.node, &path.to);
    let is_so = (route.dev.as_deref(), route.table.as_deref()) == (Some("tailscale0"), Some("52"));
    Ok(Sign::new(
        format!("table 52 of {node} sends what is for {to} into tailscale0"),
        is_so,
        format!("dev {:?} table {:?}", route.dev, route.table),
    ))
}

/// The tailnet's table takes what a node sends to the address of another's device.
pub(super) fn address_taken(
    evidence: &Evidence<'_>,
    node: &Node,
    other: &Node,
    device: &str,
) -> Result<Sign, RealError> {
    let address = other.address_of(device).unwrap_or(other.pod_network);
    let route = evidence.own_route(&node.name, address, None)?;
    let is_so = (route.dev.as_deref(), route.table.as_deref()) == (Some("tailscale0"), Some("52"));
    Ok(Sign::new(
        format!("table 52 of {} has the road to {address}", node.name),
        is_so,
        format!("dev {:?} table {:?}", route.dev, route.table),
    ))
}

/// Straight, at one of these addresses.
pub(super) fn is_direct_at(mode: &Mode, addresses: &[Ipv4Addr]) -> bool {
    let Mode::Direct(endpoint) = mode else {
        return false;
    };
    let socket: Option<SocketAddrV4> = endpoint.parse().ok();
    socket.is_some_and(|socket| addresses.contains(socket.ip()))
}

/// A machine's tailscaled says that it reaches another in a way that fits.
pub(super) fn reached(
    evidence: &Evidence<'_>,
    from: &str,
    to: &str,
    how: &str,
    fits: impl Fn(&Mode) -> bool,
) -> Result<Sign, RealError> {
    let status = evidence.status(from)?;
    let mode = status.peer(to).map(Peer::mode);
    Ok(Sign::new(
        format!("{from} reaches {to} {how}"),
        mode.as_ref().is_some_and(fits),
        format!("{mode:?}"),
    ))
}

/// The same between all nodes.
pub(super) fn all_reached(
    evidence: &Evidence<'_>,
    how: &str,
    fits: impl Fn(&Node, &Node, &Mode) -> bool,
) -> Result<Vec<Sign>, RealError> {
    let plan = evidence.lab().plan();
    let mut signs = Vec::new();
    for node in &plan.nodes {
        for other in node.others(plan) {
            let fits = |mode: &Mode| fits(node, other, mode);
            signs.push(reached(evidence, &node.name, &other.name, how, fits)?);
        }
    }
    Ok(signs)
}

/// A node has another one behind a router.
pub(super) fn behind_router(
    evidence: &Evidence<'_>,
    node: &Node,
    other: &Node,
) -> Result<Sign, RealError> {
    let address = other.address_of("eth0").unwrap_or(other.pod_network);
    let route = evidence.own_route(&node.name, address, None)?;
    Ok(Sign::new(
        format!("{} has {address} behind a router", node.name),
        route.gateway.is_some(),
        format!("dev {:?} via {:?}", route.dev, route.gateway),
    ))
}

/// The quickest answer of a pair takes at least so long.
pub(super) fn slow(
    evidence: &Evidence<'_>,
    path: &Expected,
    least: Duration,
) -> Result<Sign, RealError> {
    let quickest = quickest(evidence, path)?;
    Ok(Sign::new(
        format!("{} is at least {least:?} from {}", path.to, path.from),
        quickest >= least,
        format!("{quickest:?}"),
    ))
}

/// The quickest answer of a pair takes less.
pub(super) fn quick(
    evidence: &Evidence<'_>,
    path: &Expected,
    limit: Duration,
) -> Result<Sign, RealError> {
    let quickest = quickest(evidence, path)?;
    Ok(Sign::new(
        format!("{} is less than {limit:?} from {}", path.to, path.from),
        quickest < limit,
        format!("{quickest:?}"),
    ))
}

/// Zero if there was no answer.
fn quickest(evidence: &Evidence<'_>, path: &Expected) -> Result<Duration, RealError> {
    let round_trip = &evidence.carried(path)?.echoes.round_trip;
    Ok(Duration::from_secs_f64(round_trip.min_us / 1e6))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::{Mode, is_direct_at};

    #[test]
    fn an_endpoint_is_at_an_address_whatever_its_port() {
        let own = [Ipv4Addr::new(10, 42, 7, 0), Ipv4Addr::new(10, 42, 7, 1)];
        let direct = |endpoint: &str| is_direct_at(&Mode::Direct(endpoint.into()), &own);
        let given = [
            "10.42.7.1:41641",
            "10.42.7.0:1",
            "10.42.7.2:41641",
            "[fe80::1]:41641",
        ];
        assert_eq!(given.map(direct), [true, true, false, false]);
        let relayed = Mode::PeerRelay("10.42.7.1:40000:vni:1".into());
        assert!(
            !is_direct_at(&relayed, &own),
            "the relay's address is no endpoint of the peer"
        );
    }
}
