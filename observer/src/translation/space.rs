//! Which addresses are pods' and which are Services'.

use observer_ebpf::abi::control::Prefix;
use observer_ebpf::abi::key::{Address, Endpoint, FlowKey};

/// IP protocol of TCP.
const TCP: u8 = 6;
/// Port of DNS.
const DNS: u16 = 53;

/// The networks that addresses are told apart by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Space {
    /// Networks of pods and Services.
    pub networks: Vec<Prefix>,
    /// Networks of Services alone.
    pub services: Vec<Prefix>,
}

impl Space {
    /// True if the address lies in one of the networks.
    #[must_use]
    pub fn is_networked(&self, address: &Address) -> bool {
        lies_in(&self.networks, address)
    }

    /// True if the address is a Service's.
    #[must_use]
    pub fn is_service(&self, address: &Address) -> bool {
        lies_in(&self.services, address)
    }

    /// The end of a flow that is a Service, if one is.
    #[must_use]
    pub fn service(&self, key: &FlowKey) -> Option<Endpoint> {
        let ends = [(key.low, key.low_port), (key.high, key.high_port)];
        ends.into_iter()
            .find(|(address, _)| self.is_service(address))
            .map(|(address, port)| Endpoint {
                address,
                port: u16::from_be_bytes(port),
            })
    }

    /// True for a flow to a Service whose real ends may show: its pair gets no number at once.
    #[must_use]
    pub fn may_resolve(&self, key: &FlowKey) -> bool {
        is_joinable(key) && self.service(key).is_some()
    }
}

/// True for flows whose packets can be known again under another key: TCP but DNS.
pub(super) fn is_joinable(key: &FlowKey) -> bool {
    let port = DNS.to_be_bytes();
    key.protocol == TCP && key.low_port != port && key.high_port != port
}

fn lies_in(networks: &[Prefix], address: &Address) -> bool {
    networks
        .iter()
        .any(|network| address.matches(&network.value, &network.mask))
}

#[cfg(test)]
mod tests {
    use super::super::passage::tests::key;
    use super::*;

    #[test]
    fn a_tcp_flow_to_a_service_may_resolve_but_dns_and_datagrams_do_not() {
        let space = super::super::passage::tests::space();
        let flow = |theirs, port| key(([10, 42, 1, 2], 40_000), (theirs, port));
        let web = flow([10, 43, 0, 9], 80);
        assert!(space.may_resolve(&web));
        assert_eq!(space.service(&web).map(|end| end.port), Some(80));
        assert!(!space.may_resolve(&flow([10, 43, 0, 9], 53)));
        assert!(!space.may_resolve(&flow([10, 42, 2, 3], 80)));
        let datagrams = FlowKey {
            protocol: 17,
            ..web
        };
        assert!(!space.may_resolve(&datagrams));
    }
}
