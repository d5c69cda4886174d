//! The outcome of a trial as plain values: what observers and generator say of every pair, and how
//! the two labs compare. Medians over rounds stand for them. Pure.

mod compare;
mod services;

use serde::Serialize;
use serde_json::Value;

pub(super) use self::compare::{Comparison, compare};
pub(super) use self::services::{BackendOutcome, ServicesOutcome};
use super::RunError;
use super::services::Served;
use super::site::Ended;
use super::trial::Measured;
use crate::lab::topology::Family;
use crate::lab::{LabError, Node, Topology};
use crate::reports::{Finding, Fragments, Mtu, Path, Quantiles, RoundTrips};
use crate::traffic::Summary;

/// Everything that a trial has found.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(super) struct Outcome {
    /// Of this form.
    pub(super) version: u8,
    /// Lab by lab.
    pub(super) labs: Vec<LabOutcome>,
    /// Of the first lab with the second.
    pub(super) comparison: Option<Comparison>,
    /// Seconds since the start.
    pub(super) seconds: Timing,
}

/// When a trial reached what, in seconds since it began to build its labs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(super) struct Timing {
    pub(super) labs_up: f64,
    pub(super) attached: f64,
    pub(super) first_class: Option<f64>,
    pub(super) total: f64,
}

/// What was found in one lab.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(super) struct LabOutcome {
    pub(super) scenario: &'static str,
    pub(super) name: String,
    pub(super) seed: u64,
    pub(super) pairs: Vec<PairOutcome>,
    /// Each once; pairs refer to them by position.
    pub(super) findings: Vec<Finding>,
    /// What went through its Services, where that was tried.
    pub(super) services: Option<ServicesOutcome>,
}

/// One end of a pair.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct PodEnd {
    pub(super) pod: String,
    pub(super) node: String,
    /// The part its node plays in the scenario.
    pub(super) role: &'static str,
    pub(super) address: String,
}

/// What was found of an ordered pair of pods.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(super) struct PairOutcome {
    pub(super) from: PodEnd,
    pub(super) to: PodEnd,
    pub(super) class: Option<String>,
    pub(super) encap: Option<String>,
    pub(super) mtu: Option<Mtu>,
    /// By observation point, under light load.
    pub(super) rtt_ms: RoundTrips,
    /// By TCP itself at the sender, under light load.
    pub(super) tcp_info_rtt_ms: Quantiles,
    pub(super) ping_rtt_ms: Quantiles,
    pub(super) udp_echo_rtt_ms: Quantiles,
    pub(super) requests_per_second: f64,
    pub(super) bits_per_second: f64,
    pub(super) retransmits: u64,
    pub(super) ping_sent: u64,
    pub(super) ping_lost: u64,
    pub(super) udp_sent: u64,
    pub(super) udp_lost: u64,
    pub(super) packets: u64,
    pub(super) bytes: u64,
    pub(super) fragments: Fragments,
    /// Positions in the lab's findings.
    pub(super) findings: Vec<usize>,
    /// The observer's last object of this path, as it came.
    pub(super) path: Value,
}

/// Puts together what observers and generator have said; an error if a path was not seen.
pub(super) fn outcome(
    ended: &[Ended],
    measured: &[Measured],
    served: &[Served],
    seconds: Timing,
) -> Result<Outcome, RunError> {
    let mut labs = Vec::new();
    for (index, site) in ended.iter().enumerate() {
        let topology = &site.topology;
        let mut lab = LabOutcome {
            scenario: topology.scenario.name(),
            name: topology.name.clone(),
            seed: topology.seed,
            ..LabOutcome::default()
        };
        for pair in measured.iter().filter(|pair| pair.site == index) {
            let outcome = seen(site, pair, &mut lab.findings)?;
            lab.pairs.push(outcome);
        }
        let served = served.iter().find(|served| served.site == index);
        lab.services = served
            .map(|served| services::outcome(site, served))
            .transpose()?;
        labs.push(lab);
    }
    let comparison = match labs.as_slice() {
        [one, other, ..] => compare(one, other),
        _ => None,
    };
    Ok(Outcome {
        version: 1,
        labs,
        comparison,
        seconds,
    })
}

fn seen(
    site: &Ended,
    pair: &Measured,
    findings: &mut Vec<Finding>,
) -> Result<PairOutcome, RunError> {
    let topology = &site.topology;
    let [from, to] = [node_of(topology, &pair.from)?, node_of(topology, &pair.to)?];
    let path = site
        .path(&pair.from, &pair.to, pair.family)
        .filter(|path| path.class.is_some());
    let path = path.ok_or_else(|| RunError::NoPath {
        from: pair.from.clone(),
        to: pair.to.clone(),
        lab: topology.name.clone(),
        words: site.words(&from.name).to_owned(),
    })?;
    // Both ends report the same cause; the sender's words come first.
    let about = site.findings_about(from, to).into_iter().next().into_iter();
    let numbers = about.map(|finding| position(findings, finding)).collect();
    let ends = [
        pod_end(topology, &pair.from, pair.family)?,
        pod_end(topology, &pair.to, pair.family)?,
    ];
    Ok(PairOutcome {
        findings: numbers,
        ..generated(pair, ends, path)
    })
}

/// A pod with its node and its address of a family.
fn pod_end(topology: &Topology, pod: &str, family: Family) -> Result<PodEnd, LabError> {
    let node = node_of(topology, pod)?;
    Ok(PodEnd {
        pod: pod.to_owned(),
        node: node.name.clone(),
        role: node.role.name(),
        address: topology
            .pod(pod)
            .and_then(|pod| pod.address_of(family))
            .map_or_else(String::new, |address| address.to_string()),
    })
}

/// Position of a finding, which is added if it is new.
fn position(findings: &mut Vec<Finding>, finding: &Finding) -> usize {
    findings
        .iter()
        .position(|known| known == finding)
        .unwrap_or_else(|| {
            findings.push(finding.clone());
            findings.len() - 1
        })
}

fn generated(pair: &Measured, [from, to]: [PodEnd; 2], path: &Path) -> PairOutcome {
    let (light, heavy) = (&pair.light, &pair.heavy);
    let (ping, udp) = (
        light.iter().map(|round| &round.ping),
        light.iter().map(|round| &round.udp),
    );
    let sum = |numbers: &mut dyn Iterator<Item = u32>| numbers.map(u64::from).sum();
    let unloaded = pair.unloaded.as_ref().unwrap_or(path);
    PairOutcome {
        from,
        to,
        class: path.class.clone(),
        encap: path.encap.clone(),
        mtu: path.mtu.clone(),
        rtt_ms: unloaded.rtt_ms,
        tcp_info_rtt_ms: middle(light.iter().map(|round| &round.tcp.client.rtt)),
        ping_rtt_ms: middle(light.iter().map(|round| &round.ping.round_trip)),
        udp_echo_rtt_ms: middle(light.iter().map(|round| &round.udp.round_trip)),
        requests_per_second: median(heavy.iter().map(|round| round.requests.rate_per_second)),
        bits_per_second: median(heavy.iter().map(|round| round.transfer.bits_per_second)),
        retransmits: sum(&mut heavy.iter().map(|round| round.transfer.client.retransmits)),
        ping_sent: sum(&mut ping.clone().map(|ping| ping.sent)),
        ping_lost: sum(&mut ping.map(|ping| ping.sent - ping.received)),
        udp_sent: sum(&mut udp.clone().map(|udp| udp.sent)),
        udp_lost: sum(&mut udp.map(|udp| udp.sent.saturating_sub(udp.received))),
        packets: path.packets,
        bytes: path.bytes,
        fragments: path.fragments,
        findings: Vec::new(),
        path: path.raw.clone(),
    }
}

fn node_of<'a>(topology: &'a Topology, pod: &str) -> Result<&'a Node, LabError> {
    let is_there = |node: &&Node| node.pods.iter().any(|own| own.name == pod);
    let unknown = || LabError::Options(format!("no {pod} in lab {}", topology.name));
    topology.nodes.iter().find(is_there).ok_or_else(unknown)
}

/// The rounds' medians, each the middle one, in milliseconds.
fn middle<'a>(rounds: impl Iterator<Item = &'a Summary> + Clone) -> Quantiles {
    Quantiles {
        count: rounds
            .clone()
            .map(|round| u64::try_from(round.count).unwrap_or_default())
            .sum(),
        p50: median(rounds.clone().map(|round| round.p50_us / 1e3)),
        p99: median(rounds.map(|round| round.p99_us / 1e3)),
    }
}

/// The middle value, the upper one of two; 0 of none.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_round_stands_for_all() {
        let round = |p50_us, p99_us| Summary {
            count: 10,
            p50_us,
            p99_us,
            ..Summary::default()
        };
        let rounds = [
            round(900.0, 1_000.0),
            round(100.0, 9_000.0),
            round(200.0, 3_000.0),
        ];
        let wanted = Quantiles {
            count: 30,
            p50: 0.2,
            p99: 3.0,
        };
        assert_eq!(middle(rounds.iter()), wanted);
        assert!(median(std::iter::empty()).abs() < f64::EPSILON);
    }

    #[test]
    fn a_finding_that_several_pairs_share_is_listed_once() {
        let mut findings = Vec::new();
        let [one, other] = ["a", "b"].map(|cause| Finding {
            cause: cause.to_owned(),
            ..Finding::default()
        });
        let found = [&one, &other, &one].map(|finding| position(&mut findings, finding));
        assert_eq!(found, [0, 1, 0]);
        assert_eq!(findings, [one, other]);
    }
}
