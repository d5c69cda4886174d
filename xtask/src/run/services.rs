//! Requests from a client pod through the Services of a lab, and what was counted of them: by the
//! client's sockets, by the servers, by the observers at both ends. It judges nothing.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::thread;
use std::time::{Duration, Instant};

use crate::lab::topology::{Protocol, Role, Service};
use crate::lab::{Node, Topology};
use crate::traffic::{Calls, Place, Servers, Stop, TrafficError};

/// Connections through each Service, so many at once and so often. A handshake shows the observer
/// which pod answers, in up to eight records, of which the kernel side emits 4,000 a second; a
/// connection whose record was refused waits for a sampled round trip.
const CONNECTIONS: usize = 10;
const PORTIONS: usize = 4;
/// Pause after each portion: with two Services 1,600 records a second.
const GAP: Duration = Duration::from_millis(100);
/// How long requests are measured.
const TIME: Duration = Duration::from_secs(1);
/// Pause between two rounds of requests.
const PAUSE: Duration = Duration::from_millis(20);

/// One pod's connections through the Services of a lab, with the servers behind them.
#[derive(Debug)]
pub(super) struct Callers {
    site: usize,
    client: End,
    services: Vec<Called>,
    servers: Servers,
}

/// A Service and the connections through it.
#[derive(Debug)]
struct Called {
    address: SocketAddrV4,
    backends: Vec<End>,
    calls: Calls,
}

/// A pod and its node.
#[derive(Debug, Clone)]
struct End {
    pod: String,
    node: String,
    address: Ipv4Addr,
}

/// What was counted of requests through Services, up to a moment or between two.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Served {
    /// Which lab.
    pub(super) site: usize,
    /// Sending pod.
    pub(super) from: String,
    /// One for each pod behind each Service.
    pub(super) backends: Vec<Behind>,
    /// Packets that the sender's observer has on paths to the Services' own addresses.
    pub(super) to_services: u64,
}

/// What was counted of requests through one Service that one pod has answered. No pod stands behind
/// two of them: its packets would be counted for both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Behind {
    /// Address and port of the Service.
    pub(super) service: SocketAddrV4,
    /// The pod that answers.
    pub(super) to: String,
    /// Its connections.
    pub(super) connections: u64,
    /// Numbers that grow.
    pub(super) counts: Counts,
}

/// Numbers that grow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Requests with an answer, as the client counts.
    pub(super) asked: u64,
    /// Requests, as the server counts.
    pub(super) answered: u64,
    /// Segments that the client's sockets have sent.
    pub(super) segments: u64,
    /// Packets from pod to pod at the sender's pod point, as the observer there counts.
    pub(super) packets: u64,
    /// The same at the receiver's pod point.
    pub(super) arrived: u64,
}

impl Callers {
    /// The servers of a lab's TCP Services, and no connection yet; none where there is no Service or
    /// no client.
    pub(super) fn of(site: usize, topology: &Topology) -> Result<Option<Self>, TrafficError> {
        let clients = topology.nodes.iter();
        let mut clients = clients.filter(|node| node.role == Role::Client);
        let Some(client) = clients.find_map(|node| node.pods.first()) else {
            return Ok(None);
        };
        let services = topology.services.iter();
        let services: Vec<&Service> = services
            .filter(|service| service.protocol == Protocol::Tcp)
            .collect();
        let Some(from) = end(topology, &client.name) else {
            return Ok(None);
        };
        if services.is_empty() {
            return Ok(None);
        }
        let backends = services.iter().flat_map(|service| &service.backends);
        let places: Vec<(Place, u16)> = backends
            .filter_map(|backend| Some((topology.pod(&backend.pod)?.into(), backend.port)))
            .collect();
        let called = services.iter().map(|service| Called {
            address: service.socket(),
            backends: service
                .backends
                .iter()
                .filter_map(|backend| end(topology, &backend.pod))
                .collect(),
            calls: Calls::new(client.into(), service.socket()),
        });
        Ok(Some(Self {
            site,
            client: from,
            services: called.collect(),
            servers: Servers::serve(&places)?,
        }))
    }

    /// Which lab.
    pub(super) fn site(&self) -> usize {
        self.site
    }

    /// Opens all connections and sends the first requests, so that every connection knows its pod.
    pub(super) fn open(&mut self, stop: &Stop) -> Result<(), TrafficError> {
        for _ in 0..PORTIONS {
            if stop.is_set() {
                break;
            }
            for service in &mut self.services {
                service.calls.open(CONNECTIONS)?;
            }
            self.round()?;
            thread::sleep(GAP);
        }
        Ok(())
    }

    /// Requests on all connections, all under way at the same time, with a pause after each round.
    pub(super) fn ask(&mut self, stop: &Stop) -> Result<(), TrafficError> {
        let begun = Instant::now();
        while begun.elapsed() < TIME && !stop.is_set() {
            self.round()?;
        }
        Ok(())
    }

    fn round(&mut self) -> Result<(), TrafficError> {
        for service in &mut self.services {
            service.calls.ask()?;
        }
        for service in &mut self.services {
            service.calls.hear()?;
        }
        thread::sleep(PAUSE);
        Ok(())
    }

    /// What sockets and servers have counted up to now, and the observers up to their last report:
    /// `at_pod` says how many packets the observer of a node has from one address to another.
    pub(super) fn count(
        &self,
        at_pod: impl Fn(&str, [Ipv4Addr; 2]) -> u64,
    ) -> Result<Served, TrafficError> {
        let from = &self.client;
        let mut served = Served {
            site: self.site,
            from: from.pod.clone(),
            backends: Vec::new(),
            to_services: 0,
        };
        for service in &self.services {
            served.to_services += at_pod(&from.node, [from.address, *service.address.ip()]);
            for to in &service.backends {
                let ends = [from.address, to.address];
                let mut behind = Behind {
                    service: service.address,
                    to: to.pod.clone(),
                    connections: 0,
                    counts: Counts {
                        packets: at_pod(&from.node, ends),
                        arrived: at_pod(&to.node, ends),
                        ..Counts::default()
                    },
                };
                behind.take(service, to.address)?;
                let accepted = self.servers.accepted();
                let own = accepted.iter().filter(|one| one.server == to.address);
                behind.counts.answered = own.map(|one| one.requests).sum();
                served.backends.push(behind);
            }
        }
        Ok(served)
    }
}

impl Behind {
    /// Takes what the client's sockets have counted on the connections that this server answers.
    fn take(&mut self, service: &Called, server: Ipv4Addr) -> Result<(), TrafficError> {
        for (call, segments) in service.calls.segments()? {
            if call.server == Some(server) {
                self.connections += 1;
                self.counts.asked += call.exchanges;
                self.counts.segments += segments;
            }
        }
        Ok(())
    }
}

impl Served {
    /// What was added since an earlier count of the same connections.
    pub(super) fn since(mut self, before: &Self) -> Self {
        self.to_services = self.to_services.saturating_sub(before.to_services);
        for (behind, base) in self.backends.iter_mut().zip(&before.backends) {
            behind.counts = behind.counts.since(base.counts);
        }
        self
    }
}

impl Counts {
    fn since(self, before: Self) -> Self {
        Self {
            asked: self.asked.saturating_sub(before.asked),
            answered: self.answered.saturating_sub(before.answered),
            segments: self.segments.saturating_sub(before.segments),
            packets: self.packets.saturating_sub(before.packets),
            arrived: self.arrived.saturating_sub(before.arrived),
        }
    }
}

/// A pod with its node.
fn end(topology: &Topology, pod: &str) -> Option<End> {
    let is_there = |node: &&Node| node.pods.iter().any(|own| own.name == pod);
    Some(End {
        pod: pod.to_owned(),
        node: topology.nodes.iter().find(is_there)?.name.clone(),
        address: topology.pod(pod)?.address,
    })
}
