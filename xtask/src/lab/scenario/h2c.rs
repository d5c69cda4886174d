//! H2c, healthy: H2 with Services.
//!
//! ```text
//!   client                    member                    member
//!   pod a, pod b              pod a: web                pod a: web
//!                             pod b: masked, on one of the two
//!   web     10.43.x.y:80 -> each web pod, port 8080, in turn
//!   masked  10.43.x.y:80 -> the masked pod, port 8080; its node masquerades what comes from
//!                           pods of other nodes, so that the pod sees 10.42.N.1 of its own cni0
//! ```
//!
//! Devices, addresses and MTUs are those of H2. The client node has no backend: without
//! `br_netfilter` a reply between two pods of one node passes the bridge without conntrack, and the
//! Service does not work there.

use std::net::Ipv4Addr;

use super::{Sketch, h2};
use crate::lab::deal::Deal;
use crate::lab::topology::{Backend, Node, Role, Service, Source};

/// Port of every Service.
const PORT: u16 = 80;
/// Port of every backend.
const TARGET_PORT: u16 = 8080;

/// The sketch of H2c.
pub(super) fn sketch() -> Sketch {
    let mut sketch = h2::sketch();
    if let Some(first) = sketch.nodes.first_mut() {
        first.role = Role::Client;
    }
    Sketch { services, ..sketch }
}

/// Both Services over the nodes that are no client.
fn services(nodes: &[Node], deal: &mut Deal) -> Vec<Service> {
    let mut members: Vec<&Node> = nodes
        .iter()
        .filter(|node| node.role == Role::Member)
        .collect();
    deal.shuffle(&mut members);
    let backend = |node: &&Node, position: usize| {
        let pod = node.pods.get(position)?;
        Some(Backend {
            pod: pod.name.clone(),
            address: pod.address,
            port: TARGET_PORT,
        })
    };
    let web = members.iter().filter_map(|node| backend(node, 0)).collect();
    let masked = members.first().and_then(|node| backend(node, 1));
    let mut service = |name: &str, backends, source| Service {
        name: name.to_owned(),
        address: Ipv4Addr::new(
            10,
            43,
            deal.number("service", 1, 254),
            deal.number("service low", 1, 254),
        ),
        port: PORT,
        backends,
        source,
    };
    vec![
        service("web", web, Source::Kept),
        service("masked", masked.into_iter().collect(), Source::Masqueraded),
    ]
}
