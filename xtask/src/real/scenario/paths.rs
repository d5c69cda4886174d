//! What is to be seen of a pair of ends: the three views, what becomes of packets, what is cut.

use std::net::{Ipv4Addr, SocketAddrV4};

use serde::Serialize;

use crate::lab::LabError;
use crate::real::RealLab;
use crate::real::plan::Node;

/// Layers that can be cut into fragments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cut {
    /// Pods' own packets.
    Inner,
    /// VXLAN datagrams.
    Vxlan,
}

impl Cut {
    /// Its name as in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Inner => "inner",
            Self::Vxlan => "vxlan",
        }
    }
}

/// What becomes of what a pod sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is answered.
    Reply,
    /// It leaves, and nothing comes back.
    NoReply,
    /// Small packets are answered, large ones are lost.
    SmallOnly,
    /// All is answered, but what is large takes seconds.
    Slow,
    /// Nothing is sent.
    Idle,
}

/// What is to be seen of packets from one end to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Expected {
    /// Name of the sending pod.
    pub from: String,
    /// Its node.
    pub node: String,
    /// Name of the receiving pod, or what else it is.
    pub to: String,
    /// The sender's address.
    pub source: Ipv4Addr,
    /// The receiver's.
    pub target: Ipv4Addr,
    /// The ends of a tunnel that the two have between them, if it is that which is used.
    pub tunnel: Option<Tunnel>,
    /// The Service by which it reaches the receiver; none where it has the receiver's own address.
    pub via: Option<SocketAddrV4>,
    /// Class that the control plane means.
    pub intended: &'static str,
    /// Class that the kernel's tables lead to.
    pub configured: &'static str,
    /// Class of the packets; none where there are none.
    pub observed: Option<&'static str>,
    /// Encapsulation stack of the packets, outer first; `-` where it is not decided.
    pub encap: &'static str,
    /// What becomes of them.
    pub outcome: Outcome,
    /// Which layer is cut.
    pub cut: Option<Cut>,
    /// Whether an end is a tunnel's proxy.
    pub is_proxy: bool,
}

/// Addresses inside a tunnel that begins and ends in pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Tunnel {
    /// The sender's.
    pub source: Ipv4Addr,
    /// The receiver's.
    pub target: Ipv4Addr,
}

/// What all pairs of a scenario have in common.
#[derive(Debug, Clone, Copy)]
pub struct Views {
    /// Class that the control plane means.
    pub intended: &'static str,
    /// Class that the kernel's tables lead to.
    pub configured: &'static str,
    /// Class of the packets.
    pub observed: &'static str,
    /// Encapsulation stack.
    pub encap: &'static str,
}

impl Views {
    /// All three views agree.
    pub const fn agreed(class: &'static str, encap: &'static str) -> Self {
        Self {
            intended: class,
            configured: class,
            observed: class,
            encap,
        }
    }
}

/// Makes a node one that nobody has an answer from, nor it from anybody: what it sends itself goes as
/// `own` says.
pub(super) fn cut_off(paths: &mut [Expected], node: &Node, own: impl Fn(&mut Expected)) {
    for path in paths {
        let is_own = path.node == node.name;
        if is_own {
            own(path);
        }
        if is_own || node.pods.contains(&path.to) {
            path.outcome = Outcome::NoReply;
        }
    }
}

impl Expected {
    /// What the first pod of a node sends to that of another, answered whole.
    pub fn between(lab: &RealLab, from: &Node, to: &Node, views: Views) -> Result<Self, LabError> {
        let (source, target) = (lab.pod_of(from)?, lab.pod_of(to)?);
        Self::of(lab, (from, &source.0), target, views)
    }

    /// What a pod of a node sends to another one, answered whole.
    pub fn of_pods(
        lab: &RealLab,
        from: (&Node, &str),
        to: &str,
        views: Views,
    ) -> Result<Self, LabError> {
        let target = (to.to_owned(), lab.pod(to)?.address);
        Self::of(lab, from, target, views)
    }

    /// What a pod of a node sends to an end with this name and address, answered whole.
    pub fn of(
        lab: &RealLab,
        (node, pod): (&Node, &str),
        (to, target): (String, Ipv4Addr),
        views: Views,
    ) -> Result<Self, LabError> {
        Ok(Self {
            from: pod.to_owned(),
            node: node.name.clone(),
            to,
            source: lab.pod(pod)?.address,
            target,
            tunnel: None,
            via: None,
            intended: views.intended,
            configured: views.configured,
            observed: Some(views.observed),
            encap: views.encap,
            outcome: Outcome::Reply,
            cut: None,
            is_proxy: false,
        })
    }

    /// Every ordered pair of nodes, by their first pods.
    pub fn everywhere(lab: &RealLab, views: Views) -> Result<Vec<Self>, LabError> {
        let nodes = &lab.plan().nodes;
        let mut paths = Vec::new();
        for from in nodes {
            for to in nodes.iter().filter(|to| to.name != from.name) {
                paths.push(Self::between(lab, from, to, views)?);
            }
        }
        Ok(paths)
    }

    /// The same, sent through a tunnel of the pods' own.
    #[must_use]
    pub fn within(self, source: Ipv4Addr, target: Ipv4Addr) -> Self {
        Self {
            tunnel: Some(Tunnel { source, target }),
            ..self
        }
    }

    /// The address that the sender's programs have.
    #[must_use]
    pub fn sends_from(&self) -> Ipv4Addr {
        self.tunnel.map_or(self.source, |tunnel| tunnel.source)
    }

    /// The address that they send to.
    #[must_use]
    pub fn sends_to(&self) -> Ipv4Addr {
        self.tunnel.map_or(self.target, |tunnel| tunnel.target)
    }

    /// The same between tunnel proxies.
    #[must_use]
    pub fn as_proxy(self) -> Self {
        Self {
            is_proxy: true,
            ..self
        }
    }

    /// The same, by a Service.
    #[must_use]
    pub fn through(self, service: SocketAddrV4) -> Self {
        Self {
            via: Some(service),
            ..self
        }
    }

    /// The same with another outcome.
    #[must_use]
    pub fn with_outcome(self, outcome: Outcome) -> Self {
        Self { outcome, ..self }
    }

    /// The same with a layer that is cut.
    #[must_use]
    pub fn with_cut(self, cut: Cut) -> Self {
        Self {
            cut: Some(cut),
            ..self
        }
    }

    /// Whether an echo request is answered.
    #[must_use]
    pub fn answers(&self) -> bool {
        !matches!(self.outcome, Outcome::NoReply | Outcome::Idle)
    }
}
