//! What the exporter is told: from the configuration and the standard variables, checked once.

use std::fmt;
use std::time::Duration;

use opentelemetry_proto::tonic::resource::v1::Resource;
use tonic::metadata::{Ascii, MetadataKey, MetadataMap, MetadataValue};

use super::endpoint::Endpoint;
use super::environment;
use crate::export::names::attribute as name;
use crate::export::wire;

const SERVICE: &str = "netpath-observer";

/// Why there can be no exporter.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SettingsError {
    /// The address cannot serve.
    #[error("read the OTLP endpoint from {from}: {reason}")]
    Endpoint {
        /// Variable or setting.
        from: &'static str,
        /// What is wrong and what to do.
        reason: &'static str,
    },
    /// Another protocol than gRPC is asked for.
    #[error("read {from}: only `grpc` is spoken; unset it and give the address of a gRPC receiver")]
    Protocol {
        /// Variable.
        from: &'static str,
    },
    /// A list that cannot be read.
    #[error("read {from}: {reason}")]
    List {
        /// Variable.
        from: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// A timeout that is no number.
    #[error("read OTEL_EXPORTER_OTLP_TIMEOUT: not a whole number of milliseconds above 0")]
    Timeout,
}

/// Bounds of the exporter. Numbers below 1 count as 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Spans in the queue; about 2 kB each.
    pub queue: usize,
    /// Spans per request.
    pub batch: usize,
    /// How long the first span of a batch waits for others.
    pub delay: Duration,
    /// Shortest time between two exports of metrics.
    pub metric_interval: Duration,
    /// Time before the one retry.
    pub backoff: Duration,
    /// Time for what is queued once the handle is gone.
    pub grace: Duration,
    /// Spans per second, with one second's worth at once.
    pub spans_per_second: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            queue: 2_048,
            batch: 512,
            delay: Duration::from_secs(1),
            metric_interval: Duration::from_secs(10),
            backoff: Duration::from_millis(500),
            grace: Duration::from_secs(5),
            spans_per_second: 100,
        }
    }
}

/// Names of the node for the resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeNames {
    /// Kubernetes node.
    pub node: String,
    /// Its host name.
    pub host: String,
    /// Cluster, where given.
    pub cluster: Option<String>,
}

/// Headers of each request. Their values may be secrets: shown by name only.
#[derive(Clone, Default)]
pub struct Headers(pub(super) MetadataMap);

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.0.keys().map(|key| format!("{key:?}"));
        f.debug_list().entries(names).finish()
    }
}

/// Everything the exporter needs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Receiver of spans.
    pub traces: Endpoint,
    /// Receiver of metrics.
    pub metrics: Endpoint,
    /// Headers.
    pub headers: Headers,
    /// Time for one request.
    pub timeout: Duration,
    /// What sends.
    pub resource: Resource,
    /// Bounds.
    pub limits: Limits,
}

impl Settings {
    /// From the configured endpoint, if any, and the standard variables, which `variable` looks up.
    /// A variable for one signal wins over the configured endpoint, and that over the variable for
    /// both. `None` if there is no endpoint for either signal: then nothing is exported.
    pub fn read(
        endpoint: Option<&str>,
        names: &NodeNames,
        limits: Limits,
        variable: impl Fn(&'static str) -> Option<String>,
    ) -> Result<Option<Self>, SettingsError> {
        let variable = |name| variable(name).filter(|value| !value.trim().is_empty());
        let general = match endpoint {
            Some(text) => Some(parse("`otlp_endpoint` or `--otlp`", text)?),
            None => address("OTEL_EXPORTER_OTLP_ENDPOINT", &variable)?,
        };
        let traces = address("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &variable)?;
        let metrics = address("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", &variable)?;
        let either = general
            .or_else(|| traces.clone())
            .or_else(|| metrics.clone());
        let Some(either) = either else {
            return Ok(None);
        };
        for from in [
            "OTEL_EXPORTER_OTLP_PROTOCOL",
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
            "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL",
        ] {
            if variable(from).is_some_and(|protocol| protocol.trim() != "grpc") {
                return Err(SettingsError::Protocol { from });
            }
        }
        Ok(Some(Self {
            traces: traces.unwrap_or_else(|| either.clone()),
            metrics: metrics.unwrap_or(either),
            headers: headers(&variable)?,
            timeout: timeout(&variable)?,
            resource: resource(names, &variable)?,
            limits,
        }))
    }
}

type Lookup<'a> = &'a dyn Fn(&'static str) -> Option<String>;

fn address(from: &'static str, variable: Lookup<'_>) -> Result<Option<Endpoint>, SettingsError> {
    variable(from).map(|text| parse(from, &text)).transpose()
}

fn parse(from: &'static str, text: &str) -> Result<Endpoint, SettingsError> {
    Endpoint::parse(text).map_err(|reason| SettingsError::Endpoint { from, reason })
}

fn headers(variable: Lookup<'_>) -> Result<Headers, SettingsError> {
    let from = "OTEL_EXPORTER_OTLP_HEADERS";
    let error = |reason| SettingsError::List { from, reason };
    let mut map = MetadataMap::new();
    let text = variable(from).unwrap_or_default();
    for (key, value) in environment::list(&text).map_err(error)? {
        let name: MetadataKey<Ascii> = key
            .to_ascii_lowercase()
            .parse()
            .map_err(|_| error(format!("`{key}` cannot be the name of a gRPC header")))?;
        let mut value: MetadataValue<Ascii> = value
            .parse()
            .map_err(|_| error(format!("the value of `{key}` is not visible ASCII")))?;
        value.set_sensitive(true);
        map.insert(name, value);
    }
    Ok(Headers(map))
}

/// The specification counts it in milliseconds, 10,000 if not set.
fn timeout(variable: Lookup<'_>) -> Result<Duration, SettingsError> {
    let Some(text) = variable("OTEL_EXPORTER_OTLP_TIMEOUT") else {
        return Ok(Duration::from_secs(10));
    };
    match text.trim().parse() {
        Ok(millis) if millis > 0 => Ok(Duration::from_millis(millis)),
        Ok(_) | Err(_) => Err(SettingsError::Timeout),
    }
}

/// Our own names first; what the operator sets wins.
fn resource(names: &NodeNames, variable: Lookup<'_>) -> Result<Resource, SettingsError> {
    let from = "OTEL_RESOURCE_ATTRIBUTES";
    let mut all = vec![
        (name::SERVICE_NAME.to_owned(), SERVICE.to_owned()),
        (name::K8S_NODE_NAME.to_owned(), names.node.clone()),
        (name::HOST_NAME.to_owned(), names.host.clone()),
    ];
    let cluster = names.cluster.clone();
    all.extend(cluster.map(|cluster| (name::K8S_CLUSTER_NAME.to_owned(), cluster)));
    let text = variable(from).unwrap_or_default();
    let set = environment::list(&text).map_err(|reason| SettingsError::List { from, reason })?;
    let service = variable("OTEL_SERVICE_NAME");
    let service = service.map(|service| (name::SERVICE_NAME.to_owned(), service));
    for (key, value) in set.into_iter().chain(service) {
        match all.iter_mut().find(|(known, _)| *known == key) {
            Some((_, known)) => *known = value,
            None => all.push((key, value)),
        }
    }
    Ok(Resource {
        attributes: all
            .iter()
            .map(|(key, value)| wire::text(key, value))
            .collect(),
        ..Resource::default()
    })
}

#[cfg(test)]
mod tests;
