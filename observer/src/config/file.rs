//! The settings file: every key with its default and its description, once.

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use super::duration::{parse_duration, write_duration};
use super::{Attach, ConfigError, LogLevel, Network, Xdp};
use crate::interfaces::Rules;
use crate::routing::UnderlayRules;

/// What a settings file may say. Every key may be left out.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct File {
    /// Name of this node; the host name if left out.
    pub node: Option<String>,
    /// Network of all pods.
    pub cluster_cidr: Network,
    /// Networks of Services; what is sent there counts for the pods behind.
    pub services: Vec<Network>,
    /// Further networks whose flows are followed: a second family, other clusters' pods.
    pub networks: Vec<Network>,
    /// Where DERP relays listen, as address:port.
    pub relays: Vec<String>,
    /// Time between two sweeps.
    #[serde(deserialize_with = "duration")]
    pub interval: Duration,
    /// Time for the end of a run.
    #[serde(deserialize_with = "duration")]
    pub grace: Duration,
    /// Time without a turn after which the agent counts as hung.
    #[serde(deserialize_with = "duration")]
    pub stall: Duration,
    /// Entries of the flow table.
    pub flow_entries: u32,
    /// Bytes of the event ring, a power of two.
    pub ring_bytes: u32,
    /// Of how many TCP timestamps one is followed as a round trip, a power of two.
    pub sample_one_in: u32,
    /// OTLP gRPC endpoint; nothing is sent if left out.
    pub otlp_endpoint: Option<String>,
    /// What is worth a line on standard error.
    pub log: LogLevel,
    /// How programs are attached.
    pub attach: Attach,
    /// Whether underlays are also observed before the stack.
    pub xdp: Xdp,
    /// Which device names play which role.
    pub interfaces: Rules,
    /// What belongs to a virtual network of one host's virtual machines.
    pub underlay: UnderlayRules,
}

impl Default for File {
    fn default() -> Self {
        Self {
            node: None,
            cluster_cidr: Network::v4([10, 42, 0, 0], 16),
            services: vec![Network::v4([10, 43, 0, 0], 16)],
            networks: Vec::new(),
            relays: Vec::new(),
            interval: Duration::from_secs(5),
            grace: Duration::from_secs(10),
            stall: Duration::from_secs(30),
            flow_entries: default_flow_entries(),
            ring_bytes: 262_144,
            sample_one_in: 256,
            otlp_endpoint: None,
            log: LogLevel::default(),
            attach: Attach::default(),
            xdp: Xdp::default(),
            interfaces: Rules::default(),
            underlay: UnderlayRules::default(),
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
            reason: one_line(&error, text),
        })
    }

    /// The file with every key, its value and its description.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        section(&mut text, "", self.own_keys());
        text.push_str(
            "# Name of this node in reports; the host name if left out.\n# node = \"n1\"\n\n\
             # OTLP gRPC endpoint for spans and metrics; nothing is sent if left out.\n\
             # otlp_endpoint = \"http://127.0.0.1:4317\"\n\n",
        );
        section(&mut text, "interfaces", self.interface_keys());
        section(&mut text, "underlay", self.underlay_keys());
        text
    }

    fn own_keys(&self) -> Vec<(&'static str, String, &'static str)> {
        vec![
            (
                "cluster_cidr",
                format!("\"{}\"", self.cluster_cidr),
                "Network of all pods.",
            ),
            (
                "services",
                list(&self.services),
                "Networks of Services; what is sent there counts for the pods behind them.",
            ),
            (
                "networks",
                list(&self.networks),
                "Further networks whose flows are followed: a second family, other clusters' pods.",
            ),
            (
                "relays",
                list(&self.relays),
                "Where DERP relays listen, as \"192.0.2.1:443\"; needed where tailscaled marks no packets.",
            ),
            (
                "interval",
                format!("\"{}\"", write_duration(self.interval)),
                "Time between two sweeps of the maps, and between two reports.",
            ),
            (
                "grace",
                format!("\"{}\"", write_duration(self.grace)),
                "Time for the end: what is not handed out by then is lost, and the exit code is 4.",
            ),
            (
                "stall",
                format!("\"{}\"", write_duration(self.stall)),
                "Time without a turn after which the agent counts as hung and ends with code 6.",
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
                "Of how many TCP timestamps one is followed as a round trip, a power of two; more while records are lost.",
            ),
            (
                "log",
                match self.log {
                    LogLevel::Info => "\"info\"".to_owned(),
                    LogLevel::Debug => "\"debug\"".to_owned(),
                },
                "`info` or `debug`: with `debug` also what the kernel programs refuse, and why.",
            ),
            (
                "attach",
                match self.attach {
                    Attach::Auto => "\"auto\"".to_owned(),
                    Attach::Tcx => "\"tcx\"".to_owned(),
                    Attach::Clsact => "\"clsact\"".to_owned(),
                },
                "`tcx`, `clsact` (kernels before 6.6 have it alone), or `auto`: TCX where the kernel has it.",
            ),
            (
                "xdp",
                match self.xdp {
                    Xdp::Off => "\"off\"".to_owned(),
                    Xdp::Auto => "\"auto\"".to_owned(),
                    Xdp::Native => "\"native\"".to_owned(),
                    Xdp::Generic => "\"generic\"".to_owned(),
                },
                "Arrival times and counts on the wire at underlays, by XDP: `off`, `native` (in the driver; may cost offloads), `generic` (GRO is off), or `auto`: native where the driver was tried.",
            ),
        ]
    }

    fn interface_keys(&self) -> Vec<(&'static str, String, &'static str)> {
        let rules = &self.interfaces;
        vec![
            (
                "bridge",
                list(&rules.bridge),
                "The pod bridge; its veth ports are the pod ports.",
            ),
            (
                "overlay",
                list(&rules.overlay),
                "VXLAN devices of the pod network.",
            ),
            ("tunnel", list(&rules.tunnel), "TUN devices of tailscaled."),
            (
                "flannel_wg",
                list(&rules.flannel_wg),
                "WireGuard devices of flannel.",
            ),
            (
                "underlay",
                list(&rules.underlay),
                "Devices that carry outer packets; what a VTEP is routed through is one anyway.",
            ),
            (
                "ports",
                rules.ports.to_string(),
                "Pod ports at most; further ones are blind spots.",
            ),
        ]
    }

    fn underlay_keys(&self) -> Vec<(&'static str, String, &'static str)> {
        let rules = &self.underlay;
        vec![
            (
                "vmnet_devices",
                list(&rules.vmnet_devices),
                "Devices of a network that virtual machines of one host share.",
            ),
            (
                "vmnet_networks",
                list(&rules.vmnet_networks),
                "Addresses of such a network.",
            ),
            (
                "user_mode_addresses",
                list(&rules.user_mode_addresses),
                "Addresses that a virtual machine has in a user-mode network of its own.",
            ),
        ]
    }
}

/// Where in `text` and what, without the drawing.
fn one_line(error: &toml::de::Error, text: &str) -> String {
    let message = error.message().trim_end().replace('\n', "; ");
    let Some(before) = error.span().and_then(|span| text.get(..span.start)) else {
        return message;
    };
    format!("line {}: {message}", before.matches('\n').count() + 1)
}

fn section(text: &mut String, name: &str, keys: Vec<(&'static str, String, &'static str)>) {
    if !name.is_empty() {
        text.extend(["[", name, "]\n"]);
    }
    for (key, value, meaning) in keys {
        text.extend(["# ", meaning, "\n", key, " = ", &value, "\n\n"]);
    }
}

fn list<T: std::fmt::Display>(items: &[T]) -> String {
    let items: Vec<_> = items.iter().map(|item| format!("\"{item}\"")).collect();
    format!("[{}]", items.join(", "))
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
