//! A Service of the lab: one address that nodes translate into those of its backends.

use std::net::{Ipv4Addr, SocketAddrV4};

use serde::Serialize;

/// A `ClusterIP` Service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// Its cluster address, in 10.43.0.0/16.
    pub address: Ipv4Addr,
    /// Its protocol.
    pub protocol: Protocol,
    /// Its port.
    pub port: u16,
    /// Where connections go, in turn; a query from another port is another connection.
    pub backends: Vec<Backend>,
    /// What the backends see as source.
    pub source: Source,
}

/// A pod behind a Service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Backend {
    /// Its name.
    pub pod: String,
    /// Its address.
    pub address: Ipv4Addr,
    /// The port it listens on.
    pub port: u16,
}

/// The protocol of a Service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl Protocol {
    /// Its name in nft's words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// What a backend sees as source of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The calling pod.
    Kept,
    /// The bridge of its own node, if the calling pod is on another one.
    Masqueraded,
}

impl Service {
    /// What a client connects to.
    #[must_use]
    pub fn socket(&self) -> SocketAddrV4 {
        SocketAddrV4::new(self.address, self.port)
    }
}

impl Backend {
    /// What its server listens on.
    #[must_use]
    pub fn socket(&self) -> SocketAddrV4 {
        SocketAddrV4::new(self.address, self.port)
    }
}
