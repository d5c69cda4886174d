//! `tailscale metrics print`: the counters of a tailscaled over all its peers, and what they grew by.
//! They are read, never reset; a daemon that has restarted begins at zero.

mod text;

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use super::{OracleError, local_api};

/// Values by name and labels, as they were at one time or as they grew.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct UserMetrics(Vec<Series>);

/// One value, for example `tailscaled_inbound_packets_total{path="derp"} 31`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Series {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its value; packets, bytes or a number of something.
    pub value: i64,
}

/// A line that is none of the text format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {number} is no metric: `{line}`")]
pub struct NoMetric {
    /// Counts from 1.
    number: usize,
    line: String,
}

impl UserMetrics {
    /// Asks the daemon behind a socket.
    pub fn of_daemon(socket: &Path) -> Result<Self, OracleError> {
        let endpoint = "usermetrics";
        let body = local_api::get(socket, endpoint)?;
        let failed = |reason| OracleError::LocalApi {
            endpoint: endpoint.to_owned(),
            socket: socket.to_owned(),
            reason,
        };
        let text = String::from_utf8(body).map_err(|cause| failed(cause.to_string()))?;
        Self::parse(&text).map_err(|cause| failed(cause.to_string()))
    }

    /// Reads what `tailscale metrics print` has printed.
    pub fn parse(text: &str) -> Result<Self, NoMetric> {
        let lines = text.lines().enumerate();
        let lines = lines.map(|(index, line)| (index, line.trim()));
        lines
            .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
            .map(|(index, line)| {
                text::series(line).ok_or_else(|| NoMetric {
                    number: index + 1,
                    line: line.to_owned(),
                })
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The sum of all values of this name that have these labels among theirs; 0 if there is none:
    /// tailscaled makes some only when they have something to count.
    #[must_use]
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> i64 {
        let has = |series: &&Series| {
            let own = |(label, value): &(&str, &str)| {
                series.labels.get(*label).is_some_and(|own| own == value)
            };
            series.name == name && labels.iter().all(own)
        };
        self.0.iter().filter(has).map(|series| series.value).sum()
    }

    /// What was added since `earlier`; values that did not move are left out. Less than zero after
    /// a restart of the daemon.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let before = |series: &Series| {
            let mut same = earlier
                .0
                .iter()
                .filter(|other| (&other.name, &other.labels) == (&series.name, &series.labels));
            same.next().map_or(0, |other| other.value)
        };
        let grown = self.0.iter().map(|series| Series {
            value: series.value - before(series),
            ..series.clone()
        });
        Self(grown.filter(|series| series.value != 0).collect())
    }

    /// All values.
    #[must_use]
    pub fn series(&self) -> &[Series] {
        &self.0
    }
}

#[cfg(test)]
mod tests;
