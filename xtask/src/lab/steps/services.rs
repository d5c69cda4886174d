//! Services as kube-proxy's nftables mode makes them: an address becomes that of a backend before
//! routing. Connections go to the backends in turn, not at random, so that their shares are known.

use super::Step;
use crate::lab::topology::{Family, Node, Service, Source};

/// The rules of one node; none without Services.
pub(super) fn rules(node: &Node, services: &[Service]) -> Option<Step> {
    if services.is_empty() {
        return None;
    }
    let pods: Vec<&str> = node.pods.iter().map(|pod| pod.name.as_str()).collect();
    Some(Step::Nft {
        netns: node.netns.clone(),
        ruleset: ruleset(services, &node.pod_cidr(), &pods),
    })
}

/// The rules of a node whose pods have this network and these names. Each counts connections.
pub(crate) fn ruleset(services: &[Service], network: &str, pods: &[&str]) -> String {
    let translations: String = services.iter().map(translation).collect();
    format!(
        "table ip kube-proxy {{
  chain services {{
    type nat hook prerouting priority dstnat; policy accept;
{translations}  }}
  chain masquerading {{
    type nat hook postrouting priority srcnat - 1; policy accept;
{}  }}
}}",
        masquerades(services, network, pods)
    )
}

/// The rule of one Service.
fn translation(service: &Service) -> String {
    let (address, port) = (service.address, service.port);
    let protocol = service.protocol.name();
    let backends = service.backends.iter().enumerate();
    let map: Vec<String> = backends
        .map(|(turn, backend)| format!("{turn} : {} . {}", backend.address, backend.port))
        .collect();
    let (count, map) = (map.len(), map.join(", "));
    format!(
        "    ip daddr {address} {protocol} dport {port} counter \
         dnat ip to numgen inc mod {count} map {{ {map} }}\n"
    )
}

/// One rule per own backend of a Service that hides the caller.
fn masquerades(services: &[Service], network: &str, pods: &[&str]) -> String {
    let hidden = services
        .iter()
        .filter(|service| service.source == Source::Masqueraded)
        .flat_map(|service| {
            service
                .backends
                .iter()
                .map(|backend| (service.protocol, backend))
        })
        .filter(|(_, backend)| pods.contains(&backend.pod.as_str()));
    let rules = hidden.map(|(protocol, backend)| {
        let (address, port, protocol) = (backend.address, backend.port, protocol.name());
        let cluster = Family::Four.pods();
        format!(
            "    ip saddr {cluster} ip saddr != {network} \
             ip daddr {address} {protocol} dport {port} counter masquerade\n"
        )
    });
    rules.collect()
}
