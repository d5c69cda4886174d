//! The agent's settings: one TOML file and the command line, validated once into a value that
//! cannot be wrong. Unknown keys and durations without a unit are refused.

mod choice;
mod control;
mod duration;
mod file;
mod network;
mod relays;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::interfaces::Rules;
use crate::routing::UnderlayRules;

pub use choice::{Attach, LogLevel, Xdp};
pub use duration::{DurationError, parse_duration, write_duration};
pub use file::File;
pub use network::{Network, NetworkError, Networks};

/// Settings that cannot be wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Name of this node in reports and spans.
    pub node: String,
    /// Networks of pods and services: who gets a flow entry.
    pub networks: Vec<Network>,
    /// Those of them that are Services'.
    pub services: Vec<Network>,
    /// Time between two sweeps of the maps.
    pub interval: Duration,
    /// How long the end of a run may take.
    pub grace: Duration,
    /// How long the agent may go without a turn before it counts as hung.
    pub stall: Duration,
    /// Where DERP relays listen.
    pub relays: BTreeSet<SocketAddr>,
    /// Entries of the flow table.
    pub flows: u32,
    /// Bytes of the event ring.
    pub ring: u32,
    /// One `TSval` in 2^rate is followed.
    pub rate: u8,
    /// How programs are attached.
    pub attach: Attach,
    /// Whether underlays are also observed before the stack.
    pub xdp: Xdp,
    /// Which device names play which role.
    pub interfaces: Rules,
    /// What belongs to a virtual network of one host's virtual machines.
    pub underlay: UnderlayRules,
    /// Where spans and metrics go.
    pub otlp: Otlp,
    /// What is worth a line on standard error.
    pub log: LogLevel,
}

/// The exporter, on or off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Otlp {
    /// Not configured here: the standard `OTEL_EXPORTER_OTLP_*` variables decide.
    Unset,
    /// Sent by gRPC to this address.
    Endpoint(String),
}

/// What the command line says on top of the file.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// See [`Config::node`].
    pub node: Option<String>,
    /// First of [`Config::networks`]: one per address family.
    pub cluster_cidr: Vec<Network>,
    /// See [`Config::interval`].
    pub interval: Option<Duration>,
    /// See [`Config::otlp`].
    pub otlp: Option<String>,
    /// See [`Config::log`].
    pub log: Option<LogLevel>,
    /// See [`Config::xdp`].
    pub xdp: Option<Xdp>,
    /// See [`File::sample_one_in`].
    pub sample_one_in: Option<u32>,
}

/// The settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("read settings from {}: {source}", path.display())]
    Read {
        /// File.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no valid TOML of this form.
    #[error("read settings from {}: {reason}; `observer config` prints a valid file", path.display())]
    Parse {
        /// File.
        path: PathBuf,
        /// What and where.
        reason: String,
    },
    /// A value is out of its range.
    #[error("use setting `{key} = {value}`: {reason}")]
    Range {
        /// Key.
        key: &'static str,
        /// As given.
        value: String,
        /// What it must be.
        reason: String,
    },
}

impl Config {
    /// Reads the file, if one is given, lays the command line over it and checks every value.
    pub fn read(path: Option<&Path>, overrides: Overrides) -> Result<Self, ConfigError> {
        let mut file = match path {
            None => File::default(),
            Some(path) => File::read(path)?,
        };
        if let Some((first, others)) = overrides.cluster_cidr.split_first() {
            file.cluster_cidr = *first;
            file.networks.extend(others);
        }
        if let Some(interval) = overrides.interval {
            file.interval = interval;
        }
        if let Some(one_in) = overrides.sample_one_in {
            file.sample_one_in = one_in;
        }
        if let Some(log) = overrides.log {
            file.log = log;
        }
        if let Some(xdp) = overrides.xdp {
            file.xdp = xdp;
        }
        let node = overrides
            .node
            .or(file.node.take())
            .unwrap_or_else(host_name);
        let otlp = overrides.otlp.or(file.otlp_endpoint.take());
        Self::check(file, node, otlp)
    }

    fn check(file: File, node: String, otlp: Option<String>) -> Result<Self, ConfigError> {
        in_range(
            "interval",
            file.interval.as_millis(),
            100..=600_000,
            "100 ms to 10 min",
        )?;
        in_range(
            "grace",
            file.grace.as_millis(),
            100..=600_000,
            "100 ms to 10 min",
        )?;
        in_range(
            "stall",
            file.stall.as_millis(),
            1_000..=600_000,
            "1 s to 10 min",
        )?;
        in_range(
            "flow_entries",
            file.flow_entries.into(),
            1024..=4_194_304,
            "1,024 to 4,194,304",
        )?;
        ring(file.ring_bytes, rustix::param::page_size())?;
        power_of_two("sample_one_in", file.sample_one_in)?;
        in_range(
            "interfaces.ports",
            file.interfaces.ports as u128,
            0..=4096,
            "0 to 4,096",
        )?;
        let mut networks = vec![file.cluster_cidr];
        networks.extend(file.services.iter().chain(&file.networks));
        in_range(
            "networks",
            networks.len() as u128,
            1..=64,
            "at most 64 with the cluster's own and those of Services",
        )?;
        let relays = relays::check(&file.relays)?;
        Ok(Self {
            node,
            networks,
            services: file.services,
            relays,
            interval: file.interval,
            grace: file.grace,
            stall: file.stall,
            flows: file.flow_entries,
            ring: file.ring_bytes,
            rate: u8::try_from(file.sample_one_in.trailing_zeros()).unwrap_or(31),
            attach: file.attach,
            xdp: file.xdp,
            interfaces: file.interfaces,
            underlay: file.underlay,
            otlp: otlp.map_or(Otlp::Unset, Otlp::Endpoint),
            log: file.log,
        })
    }
}

fn in_range(
    key: &'static str,
    value: u128,
    range: std::ops::RangeInclusive<u128>,
    reason: &str,
) -> Result<(), ConfigError> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(ConfigError::Range {
        key,
        value: value.to_string(),
        reason: reason.to_owned(),
    })
}

/// The kernel takes a power of two of whole pages, which are larger on some machines than on others.
fn ring(bytes: u32, page: usize) -> Result<(), ConfigError> {
    let least = format!("at least a page of this machine, {page}, and at most 1 GiB");
    in_range("ring_bytes", bytes.into(), page as u128..=1 << 30, &least)?;
    power_of_two("ring_bytes", bytes)
}

fn power_of_two(key: &'static str, value: u32) -> Result<(), ConfigError> {
    if value.is_power_of_two() {
        return Ok(());
    }
    Err(ConfigError::Range {
        key,
        value: value.to_string(),
        reason: "must be a power of two".to_owned(),
    })
}

fn host_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map_or_else(|_| "unknown".to_owned(), |name| name.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<Config, String> {
        let file = File::parse(Path::new("a.toml"), text).map_err(|error| error.to_string())?;
        Config::check(file, "n1".to_owned(), None).map_err(|error| error.to_string())
    }

    #[test]
    fn the_default_file_gives_the_default_settings() {
        let written = File::default().to_toml();
        assert_eq!(check(&written), check(""));
    }

    #[test]
    fn every_setting_of_the_default_file_is_documented() {
        let written = File::default().to_toml();
        for line in written
            .lines()
            .filter(|line| line.contains(" = ") && !line.starts_with('#'))
        {
            let before = written.split(line).next().unwrap_or_default();
            assert!(
                before
                    .lines()
                    .last()
                    .is_some_and(|above| above.starts_with("# ")),
                "{line}"
            );
        }
    }

    #[test]
    fn unknown_keys_and_unitless_durations_are_refused_with_their_place() {
        let unknown = check("clustercidr = \"10.42.0.0/16\"").expect_err("unknown key");
        assert!(
            unknown.contains("a.toml") && unknown.contains("clustercidr"),
            "{unknown}"
        );
        let unitless = check("interval = 5").expect_err("unitless");
        assert!(unitless.contains("unit"), "{unitless}");
        let unitless = check("interval = \"5\"").expect_err("unitless");
        assert!(unitless.contains("unit"), "{unitless}");
    }

    #[test]
    fn values_out_of_range_name_key_value_and_range() {
        for (text, key) in [
            ("interval = \"1ms\"", "interval"),
            ("grace = \"1ms\"", "grace"),
            ("stall = \"11min\"", "stall"),
            ("flow_entries = 10", "flow_entries"),
            ("ring_bytes = 2048", "ring_bytes"),
            ("ring_bytes = 5000", "ring_bytes"),
            ("sample_one_in = 3", "sample_one_in"),
            ("sample_one_in = 0", "sample_one_in"),
            ("[interfaces]\nports = 5000", "interfaces.ports"),
        ] {
            let error = check(text).expect_err(text);
            assert!(error.contains(&format!("`{key} = ")), "{error}");
        }
    }

    #[test]
    fn a_ring_is_whole_pages_of_the_machine_that_it_is_on() {
        for (bytes, page, fits) in [
            (4_096, 4_096, true),
            (2_048, 4_096, false),
            (65_536, 65_536, true),
            (32_768, 65_536, false),
            (3 * 65_536, 65_536, false),
        ] {
            let checked = ring(bytes, page).map_err(|error| error.to_string());
            assert_eq!(checked.is_ok(), fits, "{bytes} of {page}: {checked:?}");
        }
        let error = ring(32_768, 65_536).expect_err("half a page").to_string();
        assert!(error.contains("65536"), "{error}");
        let page = rustix::param::page_size();
        assert!(check(&format!("ring_bytes = {page}")).is_ok());
        assert!(check(&format!("ring_bytes = {}", page / 2)).is_err());
    }

    #[test]
    fn services_are_networks_too_and_may_be_none() {
        let config = check("services = [\"10.96.0.0/12\"]").expect("a network");
        assert_eq!(config.networks[1..], config.services);
        let config = check("services = []").expect("none");
        assert_eq!((config.networks.len(), config.services.len()), (1, 0));
    }

    #[test]
    fn relays_are_addresses_with_a_port() {
        let config = check("relays = [\"192.0.2.1:443\", \"[2001:db8::1]:443\"]").expect("relays");
        assert_eq!(config.relays.len(), 2);
        for (text, reason) in [
            ("\"derp1.example:443\"", "an address"),
            ("\"192.0.2.1\"", "an address"),
            ("\"192.0.2.1:0\"", "port"),
            ("\"0.0.0.0:443\"", "no address"),
        ] {
            let error = check(&format!("relays = [{text}]")).expect_err(text);
            assert!(
                error.contains("`relays = ") && error.contains(reason),
                "{error}"
            );
        }
        let many: Vec<_> = (0..257)
            .map(|last| format!("\"192.0.2.1:{}\"", last + 1))
            .collect();
        let error = check(&format!("relays = [{}]", many.join(","))).expect_err("too many");
        assert!(error.contains("256"), "{error}");
    }

    #[test]
    fn a_network_with_host_bits_or_a_wrong_length_is_refused() {
        assert!(check("cluster_cidr = \"10.42.0.1/16\"").is_err());
        assert!(check("cluster_cidr = \"10.42.0.0/33\"").is_err());
        assert!(check("cluster_cidr = \"fd00:42::/56\"").is_ok());
    }
}
