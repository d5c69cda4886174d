//! Names of all attributes and metrics, once, with unit and meaning: the README's tables are made
//! from here. It computes nothing.

pub mod attribute;
pub mod metric;

mod place;
mod point;

pub use attribute::attribute_table;
pub use metric::metric_table;
pub(super) use place::{ANNOUNCED, DROPPED, place_name};
pub(super) use point::{point_name, point_role};

/// Kind of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Cumulative, monotonic.
    Counter,
    /// Cumulative, explicit buckets.
    Histogram,
    /// The value at hand.
    Gauge,
}

/// A row of the metric table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Name.
    pub name: &'static str,
    /// Kind.
    pub kind: Kind,
    /// UCUM unit.
    pub unit: &'static str,
    /// One sentence without its final dot.
    pub meaning: &'static str,
    /// Names of its labels.
    pub labels: &'static [&'static str],
}

/// Where an attribute stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// On the resource of everything that leaves the agent.
    Resource,
    /// On spans only: its values are without bound.
    Span,
    /// On metrics only.
    Metric,
    /// On spans and as a metric label: its values are bounded.
    SpanAndMetric,
}

/// A row of the attribute table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Name.
    pub name: &'static str,
    /// Type and, where it has one, unit: `string`, `int`, `By`, `double`.
    pub value: &'static str,
    /// Where it stands.
    pub place: Place,
    /// One sentence without its final dot.
    pub meaning: &'static str,
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_name_stands_in_its_table_once() {
        let metrics: HashSet<_> = metric_table().iter().map(|row| row.name).collect();
        let attributes: HashSet<_> = attribute_table().iter().map(|row| row.name).collect();
        assert_eq!(metrics.len(), metric_table().len());
        assert_eq!(attributes.len(), attribute_table().len());
    }

    #[test]
    fn a_metric_label_is_an_attribute_that_may_be_one() {
        for metric in metric_table() {
            for label in metric.labels {
                let row = attribute_table().iter().find(|row| row.name == *label);
                let place = row.map(|row| row.place);
                assert!(
                    matches!(place, Some(Place::Metric | Place::SpanAndMetric)),
                    "{label} of {} stands on {place:?}",
                    metric.name
                );
            }
        }
    }

    #[test]
    fn names_of_pods_addresses_and_ports_are_never_labels() {
        for name in [
            "k8s.pod.name",
            "source.address",
            "destination.address",
            "source.port",
        ] {
            let row = attribute_table().iter().find(|row| row.name == name);
            assert_eq!(row.map(|row| row.place), Some(Place::Span), "{name}");
        }
    }
}
