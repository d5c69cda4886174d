//! Label sets. Every value is a node name or of a closed set.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::diagnosis::{Cause, Finding};
use crate::export::Attribute;
use crate::export::names::attribute as name;
use crate::path::{Class, PathReport, RelayMode};

/// Stands for a node that found no room.
const OTHER: &str = "other";

/// Labels of a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Labels {
    nodes: [Option<String>; 2],
    class: Option<Class>,
    mode: RelayMode,
}

impl Labels {
    pub(super) fn of(report: &PathReport) -> Self {
        Self {
            nodes: [&report.source.node, &report.destination.node].map(|name| node(name.as_ref())),
            class: report.class,
            // Both are shown as direct, and where VXLAN is inside the class tells them apart no more.
            mode: match (report.class, report.relay) {
                (Some(Class::VxlanTailscale), RelayMode::Overlay) => RelayMode::Direct,
                (_, mode) => mode,
            },
        }
    }

    pub(super) fn other(self) -> Self {
        let nodes = others();
        Self { nodes, ..self }
    }

    pub(super) fn attributes(&self) -> Vec<Attribute> {
        let mut list = nodes(&self.nodes);
        list.extend(
            self.class
                .map(|class| Attribute::new(name::CLASS, class.name_in(self.mode))),
        );
        list.push(Attribute::new(name::TAILSCALE_MODE, self.mode.to_string()));
        list
    }
}

/// Labels of a finding.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FindingLabels {
    cause: Cause,
    fix: &'static str,
    nodes: [Option<String>; 2],
}

impl FindingLabels {
    pub(super) fn of(finding: &Finding) -> Self {
        let mut subject = finding.subject.nodes.iter();
        Self {
            cause: finding.cause,
            fix: finding.fix.id,
            nodes: [node(subject.next()), node(subject.next())],
        }
    }

    pub(super) fn other(self) -> Self {
        let nodes = others();
        Self { nodes, ..self }
    }

    pub(super) fn attributes(&self) -> Vec<Attribute> {
        let mut list = vec![
            Attribute::new(name::FINDING, self.cause.id()),
            Attribute::new(name::FIX, self.fix),
        ];
        list.extend(nodes(&self.nodes));
        list
    }
}

/// The label set itself if it is known or finds room, else the one that stands for the rest.
pub(super) fn fold<K: Ord, V>(
    labels: K,
    known: &BTreeMap<K, V>,
    room: usize,
    other: impl Fn(K) -> K,
) -> K {
    if known.len() < room || known.contains_key(&labels) {
        labels
    } else {
        other(labels)
    }
}

/// A node's name; an address that stands for an unknown one is no label.
fn node(name: Option<&String>) -> Option<String> {
    name.filter(|name| name.parse::<IpAddr>().is_err()).cloned()
}

fn others() -> [Option<String>; 2] {
    [Some(OTHER.to_owned()), Some(OTHER.to_owned())]
}

fn nodes(nodes: &[Option<String>; 2]) -> Vec<Attribute> {
    let names = [name::SOURCE_NODE, name::DESTINATION_NODE];
    let known = names.into_iter().zip(nodes);
    known
        .filter_map(|(name, node)| Some(Attribute::new(name, node.clone()?)))
        .collect()
}
