//! The agent's JSON lines as values, and the sweeps that they make up.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Deserialize;
use serde_json::Value;

/// One line of `--format json`.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum Line {
    /// An ordered pair.
    Path(PathLine),
    /// A finding.
    Finding(Finding),
    /// An underlay before the stack.
    Wire(WireLine),
    /// A span of a round trip.
    Span(Span),
    /// What was seen and lost; the last line of a sweep.
    Ledger(Ledger),
}

/// What one sweep says of an ordered pair.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct PathLine {
    pub(crate) source: End,
    pub(crate) destination: End,
    pub(crate) class: Option<String>,
    pub(crate) present: bool,
    pub(crate) encap: Option<String>,
    pub(crate) depth: Option<u64>,
    pub(crate) tailscale_mode: Option<String>,
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    pub(crate) fragments: Fragments,
    pub(crate) oversize: Option<Oversize>,
    pub(crate) points: BTreeMap<String, Counted>,
    pub(crate) rtt_ms: BTreeMap<String, Option<RoundTrip>>,
    pub(crate) mtu: Option<Mtu>,
}

/// The longest packet that no device of the path has to cut.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Mtu {
    pub(crate) effective: u32,
    pub(crate) bottleneck: String,
}

/// One end of a path.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct End {
    pub(crate) node: Option<String>,
    pub(crate) address: Option<IpAddr>,
    pub(crate) services: Vec<String>,
}

/// Fragments by layer.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct Fragments {
    pub(crate) inner: u64,
}

/// What shows that packets were too long.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Oversize {
    pub(crate) drops: u64,
    proofs: Vec<AnyProof>,
}

impl Oversize {
    /// Drops that were seen.
    pub(crate) fn dropped(&self) -> impl Iterator<Item = &Proof> {
        self.proofs.iter().filter_map(|proof| match proof {
            AnyProof::Dropped(proof) => Some(proof),
            AnyProof::Announced(_) => None,
        })
    }

    /// Errors that senders were told.
    pub(crate) fn announced(&self) -> impl Iterator<Item = &Announced> {
        self.proofs.iter().filter_map(|proof| match proof {
            AnyProof::Dropped(_) => None,
            AnyProof::Announced(proof) => Some(proof),
        })
    }
}

/// A proof of either kind.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
enum AnyProof {
    Dropped(Proof),
    Announced(Announced),
}

/// ICMP errors on their way to a pod.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Announced {
    #[serde(rename = "proof")]
    pub(crate) kind: String,
    pub(crate) mtu: Option<u32>,
    #[serde(rename = "announced")]
    pub(crate) number: u32,
    pub(crate) packets: u64,
    pub(crate) from: IpAddr,
}

/// One proof.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(crate) struct Proof {
    #[serde(rename = "proof")]
    pub(crate) kind: String,
    pub(crate) place: String,
    pub(crate) reason: String,
    pub(crate) device: Option<String>,
    pub(crate) mtu: u32,
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    pub(crate) largest: u32,
}

/// What one point counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) struct Counted {
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
}

/// Round trips at one point.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct RoundTrip {
    pub(crate) count: u64,
    pub(crate) p50: f64,
}

/// What an underlay saw before the stack.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct WireLine {
    pub(crate) mode: String,
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    pub(crate) buffers: u64,
    pub(crate) segments: u64,
    pub(crate) segment_bytes: u64,
    pub(crate) noted: u64,
    pub(crate) unmet: u64,
    pub(crate) delay_ms: Option<Delay>,
}

/// Times from XDP to TC ingress.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub(crate) struct Delay {
    pub(crate) count: u64,
    pub(crate) mean: f64,
}

/// A cause with its evidence and its fix.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Finding {
    pub(crate) cause: String,
    pub(crate) subject: Subject,
    pub(crate) confidence: f64,
    pub(crate) evidence: Vec<Evidence>,
    pub(crate) fix: Fix,
}

/// What a finding is about.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Subject {
    pub(crate) nodes: Vec<String>,
}

/// A fact.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Evidence {
    pub(crate) id: String,
    pub(crate) text: String,
}

/// What to change.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Fix {
    pub(crate) id: String,
    pub(crate) text: String,
    pub(crate) side_effects: Vec<String>,
}

/// A span.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Span {
    #[serde(rename = "trace_id")]
    pub(crate) trace: String,
    #[serde(rename = "span_id")]
    pub(crate) id: String,
    #[serde(rename = "parent_span_id")]
    pub(crate) parent: Option<String>,
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) duration_ms: f64,
    pub(crate) error: Option<String>,
    pub(crate) attributes: BTreeMap<String, Value>,
}

/// What was seen and lost.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Ledger(BTreeMap<String, Value>);

impl Ledger {
    /// An entry, or the sum of an entry's reasons; 0 if there is none.
    pub(crate) fn get(&self, name: &str) -> u64 {
        match self.0.get(name) {
            Some(Value::Object(reasons)) => reasons.values().filter_map(Value::as_u64).sum(),
            other => other.and_then(Value::as_u64).unwrap_or(0),
        }
    }

    /// One reason of an entry.
    pub(crate) fn reason(&self, name: &str, reason: &str) -> u64 {
        let group = self.0.get(name).and_then(|group| group.get(reason));
        group.and_then(Value::as_u64).unwrap_or(0)
    }
}

/// All lines of one interval but the spans.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sweep {
    pub(crate) paths: Vec<PathLine>,
    pub(crate) findings: Vec<Finding>,
    pub(crate) wires: Vec<WireLine>,
    pub(crate) ledger: Ledger,
}

impl Sweep {
    /// The line of an ordered pair of addresses.
    pub(crate) fn path(&self, from: impl Into<IpAddr>, to: impl Into<IpAddr>) -> Option<&PathLine> {
        let wanted = [Some(from.into()), Some(to.into())];
        let is_it = |path: &&PathLine| [path.source.address, path.destination.address] == wanted;
        self.paths.iter().find(is_it)
    }

    /// Packets of the lines without addresses that bear this class.
    pub(crate) fn collected(&self, class: &str) -> u64 {
        self.without_addresses(class).map(|path| path.packets).sum()
    }

    /// The lines of packets whose pair had no name yet.
    pub(crate) fn unknown(&self) -> impl Iterator<Item = &PathLine> {
        self.without_addresses("unknown")
    }

    fn without_addresses<'a>(&'a self, class: &'a str) -> impl Iterator<Item = &'a PathLine> {
        let is_it = move |path: &&PathLine| {
            path.source.address.is_none() && path.class.as_deref() == Some(class)
        };
        self.paths.iter().filter(is_it)
    }
}

impl WireLine {
    /// This line with the counts of `other` joined to it; the mean is that of all before.
    pub(crate) fn with(&self, other: &Self, join: impl Fn(u64, u64) -> u64) -> Self {
        let count = |line: &Self| line.delay_ms.map_or(0, |delay| delay.count);
        let mean = self.delay_ms.or(other.delay_ms).map(|delay| delay.mean);
        Self {
            packets: join(self.packets, other.packets),
            bytes: join(self.bytes, other.bytes),
            buffers: join(self.buffers, other.buffers),
            segments: join(self.segments, other.segments),
            segment_bytes: join(self.segment_bytes, other.segment_bytes),
            noted: join(self.noted, other.noted),
            unmet: join(self.unmet, other.unmet),
            delay_ms: mean.map(|mean| Delay {
                count: join(count(self), count(other)),
                mean,
            }),
            ..self.clone()
        }
    }
}

impl PathLine {
    /// Packets that a point counted.
    pub(crate) fn at(&self, point: &str) -> u64 {
        self.points.get(point).map_or(0, |counted| counted.packets)
    }

    /// Round trips at a point, if it timed any.
    pub(crate) fn rtt(&self, point: &str) -> Option<RoundTrip> {
        self.rtt_ms.get(point).copied().flatten()
    }
}
