//! The statistics of a row, which the agent's own benchmark shares.

use super::row::{Better, Row, Verdict, ratios};

fn ascending(count: u32) -> Vec<f64> {
    (1..=count).map(f64::from).collect()
}

fn against(better: Better, bar: f64, runs: &[f64]) -> Row {
    Row::of("a", "1", "b", runs).with_bar(better, bar, bar, runs)
}

#[test]
fn bounds_are_the_order_statistics_of_the_sign_test() {
    // By tables of the binomial distribution: at most 5 % lie beyond that rank.
    for (count, rank) in [(5, 1.0), (10, 2.0), (15, 4.0), (20, 6.0)] {
        let runs = ascending(count);
        let bound = |better| against(better, 0.0, &runs).bound;
        assert_eq!(bound(Better::Higher), Some(rank), "{count} runs");
        let mirrored = f64::from(count) + 1.0 - rank;
        assert_eq!(bound(Better::Lower), Some(mirrored), "{count} runs");
    }
    assert_eq!(against(Better::Higher, 0.0, &ascending(4)).bound, None);
}

#[test]
fn medians_of_odd_even_and_no_runs() {
    let value = |count| Row::of("a", "ns", "b", &ascending(count)).value;
    assert_eq!([value(3), value(4), value(0)], [Some(2.0), Some(2.5), None]);
}

#[test]
fn a_bar_is_met_only_if_the_bound_reaches_it_too() {
    let runs = ascending(10);
    let verdict = |better, bar| against(better, bar, &runs).verdict;
    let higher = [2.0, 4.0, 6.0].map(|bar| verdict(Better::Higher, bar));
    assert_eq!(higher, [Verdict::Met, Verdict::Unsure, Verdict::Missed]);
    let lower = [9.0, 7.0, 5.0].map(|bar| verdict(Better::Lower, bar));
    assert_eq!(lower, [Verdict::Met, Verdict::Unsure, Verdict::Missed]);
    let void = Row::void("a", "1", "no lab").with_bar(Better::Lower, 1.0, 1.0, &[]);
    assert_eq!(void.verdict, Verdict::Void);
}

#[test]
fn an_interval_is_narrower_the_more_runs_there_are() {
    // Ranks of the sign test for 2.5 % on either side.
    for (count, rank) in [(6, 1.0), (12, 3.0), (15, 4.0), (20, 6.0)] {
        let row = Row::of("a", "1", "b", &ascending(count));
        let mirrored = f64::from(count) + 1.0 - rank;
        let ends = [row.low, row.high];
        assert_eq!(ends, [Some(rank), Some(mirrored)], "{count} runs");
    }
    assert_eq!(Row::of("a", "1", "b", &ascending(5)).low, None);
}

#[test]
fn a_ratio_is_of_one_round() {
    assert_eq!(ratios(&[1.0, 3.0], &[2.0, 3.0]), [0.5, 1.0]);
}
