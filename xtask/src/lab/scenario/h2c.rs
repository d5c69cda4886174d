//! H2c, healthy: H2 with Services.
//!
//! ```text
//!   client                    member                    member
//!   pod a, pod b              pod a: web                pod a: web
//!                             pod b: masked, on one of the two
//!   dns     10.43.x.y:53, UDP -> each web pod, port 53, in turn
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
use crate::lab::topology::{Backend, Node, Protocol, Role, Service, Source};

/// Port of the TCP Services, and of their backends.
const PORT: u16 = 80;
const TARGET_PORT: u16 = 8080;
/// Port of the DNS Service and of its backends.
const DNS: u16 = 53;

/// The sketch of H2c.
pub(super) fn sketch() -> Sketch {
    let mut sketch = h2::sketch();
    if let Some(first) = sketch.nodes.first_mut() {
        first.role = Role::Client;
    }
    Sketch { services, ..sketch }
}

/// All Services over the nodes that are no client.
fn services(nodes: &[Node], deal: &mut Deal) -> Vec<Service> {
    let mut members: Vec<&Node> = nodes
        .iter()
        .filter(|node| node.role == Role::Member)
        .collect();
    deal.shuffle(&mut members);
    let backend = |node: &&Node, position: usize, port| {
        let pod = node.pods.get(position)?;
        Some(Backend {
            pod: pod.name.clone(),
            address: pod.address,
            port,
        })
    };
    let on_all = |port| {
        let backends = members.iter().filter_map(|node| backend(node, 0, port));
        backends.collect::<Vec<_>>()
    };
    let on_one = members
        .first()
        .and_then(|node| backend(node, 1, TARGET_PORT));
    let mut service = |name: &str, protocol, port, backends| Service {
        name: name.to_owned(),
        address: Ipv4Addr::new(
            10,
            43,
            deal.number("service", 1, 254),
            deal.number("service low", 1, 254),
        ),
        protocol,
        port,
        backends,
        source: Source::Kept,
    };
    let web = service("web", Protocol::Tcp, PORT, on_all(TARGET_PORT));
    let masked = Service {
        source: Source::Masqueraded,
        ..service("masked", Protocol::Tcp, PORT, on_one.into_iter().collect())
    };
    let dns = service("dns", Protocol::Udp, DNS, on_all(DNS));
    vec![web, masked, dns]
}
