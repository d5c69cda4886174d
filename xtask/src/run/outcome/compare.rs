//! What the first lab costs against the second, in numbers and in one sentence. Pure.

use serde::Serialize;

use super::{LabOutcome, PairOutcome};
use crate::run::number::two_figures;

/// The first lab's pair against the second's.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(in crate::run) struct Comparison {
    /// Median round trip at the pod: first by second.
    pub(in crate::run) round_trip_factor: f64,
    /// Throughput of one TCP connection: first by second.
    pub(in crate::run) throughput_factor: f64,
    /// Bytes of MTU that the first lacks.
    pub(in crate::run) mtu_lost: u32,
    /// In one sentence.
    pub(in crate::run) conclusion: String,
}

/// Compares the first pairs of two labs; none if one has no figures.
pub(in crate::run) fn compare(one: &LabOutcome, other: &LabOutcome) -> Option<Comparison> {
    let names = [one, other].map(|lab| lab.scenario.to_uppercase());
    let pairs = [one.pairs.first()?, other.pairs.first()?];
    let round_trips = pairs.map(round_trip);
    let rates = pairs.map(|pair| pair.bits_per_second);
    let mtus = pairs.map(|pair| pair.mtu.as_ref().map_or(0, |mtu| mtu.effective));
    let round_trip_factor = factor(round_trips)?;
    let throughput_factor = factor(rates)?;
    let mtu_lost = if mtus[0] > 0 {
        mtus[1].saturating_sub(mtus[0])
    } else {
        0
    };
    let conclusion = sentence(names, round_trip_factor, throughput_factor, mtu_lost);
    Some(Comparison {
        round_trip_factor,
        throughput_factor,
        mtu_lost,
        conclusion,
    })
}

fn sentence([one, other]: [String; 2], slower: f64, share: f64, mtu_lost: u32) -> String {
    let slower = two_figures(slower);
    let share = if share < 0.95 {
        format!("1/{} of its", two_figures(1.0 / share))
    } else {
        format!("{} times its", two_figures(share))
    };
    let lost = match mtu_lost {
        0 => String::new(),
        bytes => format!(" and {bytes} bytes less per packet"),
    };
    format!("{one} costs {slower} times the round trip of {other}, for {share} throughput{lost}.")
}

/// The median at the pod as observed, else as TCP says.
fn round_trip(pair: &PairOutcome) -> f64 {
    pair.rtt_ms.pod.unwrap_or(pair.tcp_info_rtt_ms).p50
}

fn factor([one, other]: [f64; 2]) -> Option<f64> {
    (one > 0.0 && other > 0.0).then(|| one / other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reports::{Mtu, Quantiles};

    #[test]
    fn the_difference_is_said_in_one_sentence() {
        let labs = [lab("s1", 0.42, 0.8e9, 1230), lab("h2", 0.1, 9.6e9, 1450)];
        let found = compare(&labs[0], &labs[1]).expect("a comparison");
        assert_eq!(
            found.conclusion,
            "S1 costs 4.2 times the round trip of H2, for 1/12 of its throughput and 220 bytes less \
             per packet."
        );
        assert_eq!(found.mtu_lost, 220);
    }

    #[test]
    fn without_figures_nothing_is_claimed() {
        let labs = [lab("s1", 0.42, 0.0, 1230), lab("h2", 0.1, 9.6e9, 1450)];
        assert_eq!(compare(&labs[0], &labs[1]), None);
        assert_eq!(compare(&labs[0], &LabOutcome::default()), None);
    }

    fn lab(scenario: &'static str, millis: f64, bits_per_second: f64, mtu: u32) -> LabOutcome {
        let pair = PairOutcome {
            tcp_info_rtt_ms: Quantiles {
                count: 9,
                p50: millis,
                p99: millis,
            },
            bits_per_second,
            mtu: Some(Mtu {
                effective: mtu,
                bottleneck: "flannel.1".to_owned(),
            }),
            ..PairOutcome::default()
        };
        LabOutcome {
            scenario,
            pairs: vec![pair],
            ..LabOutcome::default()
        }
    }
}
