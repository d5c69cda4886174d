//! The settings file: every key with its default and its description, once.

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use super::duration::{parse_duration, write_duration};
use super::{ConfigError, Network};

/// What a settings file may say. Every key may be left out.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct File {
    /// Name of this node; the host name if left out.
    pub node: Option<String>,
    /// Network of all pods.
    pub cluster_cidr: Network,
    /// Further networks whose flows are followed: services, a second family.
    pub networks: Vec<Network>,
    /// Time between two sweeps.
    #[serde(deserialize_with = "duration")]
    pub interval: Duration,
    /// Entries of the flow table.
    pub flow_entries: u32,
    /// Bytes of the event ring, a power of two.
    pub ring_bytes: u32,
    /// Of how many TCP timestamps one is followed as a round trip, a power of two.
    pub sample_one_in: u32,
    /// Name of the pod bridge.
    pub pod_bridge: String,
    /// Most bridge ports that are observed.
    pub max_ports: usize,
    /// Shared network of virtual machines on one host.
    pub vmnet: Network,
    /// OTLP gRPC endpoint; nothing is sent if left out.
    pub otlp_endpoint: Option<String>,
}

impl Default for File {
    fn default() -> Self {
        Self {
            node: None,
            cluster_cidr: Network::v4([10, 42, 0, 0], 16),
            networks: vec![Network::v4([10, 43, 0, 0], 16)],
            interval: Duration::from_secs(5),
            flow_entries: default_flow_entries(),
            ring_bytes: 262_144,
            sample_one_in: 256,
            pod_bridge: "cni0".to_owned(),
            max_ports: 64,
            vmnet: Network::v4([192, 168, 105, 0], 24),
            otlp_endpoint: None,
        }
    }
}

impl File {
    pub(super) fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(path, &text)
    }

    pub(super) fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        toml::from_str(text).map_err(|error| ConfigError::Parse {
            path: path.to_owned(),
            reason: error.to_string().trim_end().replace('\n', "\n  "),
        })
    }

    /// The file with every key, its value and its description.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let networks: Vec<_> = self
            .networks
            .iter()
            .map(|network| format!("\"{network}\""))
            .collect();
        let quoted = |text: &str| format!("\"{text}\"");
        let mut text = String::new();
        for (key, value, meaning) in [
            (
                "cluster_cidr",
                quoted(&self.cluster_cidr.to_string()),
                "Network of all pods.",
            ),
            (
                "networks",
                format!("[{}]", networks.join(", ")),
                "Further networks whose flows are followed: services, a second family.",
            ),
            (
                "interval",
                quoted(&write_duration(self.interval)),
                "Time between two sweeps of the maps, and between two reports.",
            ),
            (
                "flow_entries",
                self.flow_entries.to_string(),
                "Entries of the flow table, 360 bytes each.",
            ),
            (
                "ring_bytes",
                self.ring_bytes.to_string(),
                "Bytes of the event ring, a power of two.",
            ),
            (
                "sample_one_in",
                self.sample_one_in.to_string(),
                "Of how many TCP timestamps one is followed as a round trip, a power of two.",
            ),
            (
                "pod_bridge",
                quoted(&self.pod_bridge),
                "Name of the bridge that the pods hang on.",
            ),
            (
                "max_ports",
                self.max_ports.to_string(),
                "Most bridge ports that are observed; further ones are a named blind spot.",
            ),
            (
                "vmnet",
                quoted(&self.vmnet.to_string()),
                "Shared network of virtual machines on one host.",
            ),
        ] {
            text.extend(["# ", meaning, "\n", key, " = ", &value, "\n\n"]);
        }
        text.push_str(
            "# Name of this node in reports; the host name if left out.\n# node = \"n1\"\n\n\
             # OTLP gRPC endpoint for spans and metrics; nothing is sent if left out.\n\
             # otlp_endpoint = \"http://127.0.0.1:4317\"\n",
        );
        text
    }
}

/// Read from a TOML string, so that a bare number is a wrong type with a clear message.
fn duration<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Given {
        Text(String),
        Number(i64),
    }
    let text = match Given::deserialize(from)? {
        Given::Text(text) => text,
        Given::Number(number) => number.to_string(),
    };
    parse_duration(&text).map_err(serde::de::Error::custom)
}

/// A flow table for the machine: as large as its CPUs can keep busy.
fn default_flow_entries() -> u32 {
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    u32::try_from(cpus.saturating_mul(1024))
        .unwrap_or(u32::MAX)
        .clamp(16_384, 1 << 20)
}
