//! One row of a benchmark: what was measured, against what, and the bar. Shared with xtask, which
//! reads rows from other processes. It measures nothing.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    /// What was measured.
    pub(crate) name: String,
    /// The median; none if it could not be measured.
    pub(crate) value: Option<f64>,
    /// Unit of all numbers of the row.
    pub(crate) unit: String,
    /// What it was compared with, in the same run.
    pub(crate) against: String,
    /// Least of the runs.
    pub(crate) min: Option<f64>,
    /// Greatest of the runs.
    pub(crate) max: Option<f64>,
    /// Two-sided 95 % interval of the median: its lower end.
    pub(crate) low: Option<f64>,
    /// Its upper end.
    pub(crate) high: Option<f64>,
    /// Number of runs.
    pub(crate) runs: usize,
    /// One-sided 95 % bound of the median, on the side of the bar.
    pub(crate) bound: Option<f64>,
    /// What has to be reached.
    pub(crate) bar: Option<f64>,
    /// What is hoped for.
    pub(crate) goal: Option<f64>,
    /// Which side of the bar is the good one.
    pub(crate) better: Better,
    /// How the value stands to the bar.
    pub(crate) verdict: Verdict,
    /// Why there is no value, or what else has to be known of it.
    pub(crate) note: String,
}

/// Which side is the good one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Better {
    /// Small numbers.
    Lower,
    /// Great numbers.
    Higher,
}

/// How a value stands to its bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    /// There is no bar.
    None,
    /// The bar is reached, also by the bound.
    Met,
    /// The median reaches the bar, the bound does not: more runs or a quieter machine would tell.
    Unsure,
    /// The bar is missed.
    Missed,
    /// It could not be measured: neither met nor missed.
    Void,
}

impl Row {
    /// A row of the median and the extremes of `runs`.
    pub(crate) fn of(name: &str, unit: &str, against: &str, runs: &[f64]) -> Self {
        let mut sorted = runs.to_vec();
        sorted.sort_by(f64::total_cmp);
        Self {
            value: median(&sorted),
            min: sorted.first().copied(),
            max: sorted.last().copied(),
            low: bound(runs, Better::Higher, SIDE),
            high: bound(runs, Better::Lower, SIDE),
            runs: sorted.len(),
            ..Self::void(name, unit, "")
        }
        .against(against)
        .judged()
    }

    /// A row that could not be measured.
    pub(crate) fn void(name: &str, unit: &str, reason: &str) -> Self {
        Self {
            name: name.to_owned(),
            value: None,
            unit: unit.to_owned(),
            against: String::new(),
            min: None,
            max: None,
            low: None,
            high: None,
            runs: 0,
            bound: None,
            bar: None,
            goal: None,
            better: Better::Lower,
            verdict: Verdict::Void,
            note: reason.to_owned(),
        }
    }

    /// The same with a bar that the median of `runs` has to reach, and a goal.
    pub(crate) fn with_bar(self, better: Better, bar: f64, goal: f64, runs: &[f64]) -> Self {
        Self {
            bound: bound(runs, better, ONE_SIDED),
            bar: Some(bar),
            goal: Some(goal),
            better,
            ..self
        }
        .judged()
    }

    /// The same with a remark.
    pub(crate) fn noted(self, note: impl Into<String>) -> Self {
        Self {
            note: note.into(),
            ..self
        }
    }

    /// Unit, what it was compared with, remark.
    pub(crate) fn explanation(&self) -> String {
        let parts = [self.against.as_str(), self.note.as_str()];
        let said: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        match (self.unit.as_str(), said.join("; ")) {
            ("1", said) => said,
            (unit, said) => format!("{unit}, {said}"),
        }
    }

    fn against(self, against: &str) -> Self {
        Self {
            against: against.to_owned(),
            ..self
        }
    }

    fn judged(self) -> Self {
        let reaches = |value: f64, bar: f64| match self.better {
            Better::Lower => value <= bar,
            Better::Higher => value >= bar,
        };
        let verdict = match (self.value, self.bar) {
            (None, _) => Verdict::Void,
            (Some(_), None) => Verdict::None,
            (Some(value), Some(bar)) if !reaches(value, bar) => Verdict::Missed,
            (Some(_), Some(bar)) if self.bound.is_none_or(|bound| !reaches(bound, bar)) => {
                Verdict::Unsure
            }
            (Some(_), Some(_)) => Verdict::Met,
        };
        Self { verdict, ..self }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::None => "",
            Self::Met => "met",
            Self::Unsure => "unsure",
            Self::Missed => "MISSED",
            Self::Void => "void",
        })
    }
}

/// The middle of sorted numbers.
fn median(sorted: &[f64]) -> Option<f64> {
    let upper = sorted.get(sorted.len() / 2)?;
    let lower = sorted.get(sorted.len().checked_sub(1)? / 2)?;
    Some(f64::midpoint(*lower, *upper))
}

/// Chances that the true median lies beyond a bound, and beyond one end of an interval.
const ONE_SIDED: f64 = 0.05;
const SIDE: f64 = 0.025;

/// Bound of the median on the bad side by order statistics: no assumption on the distribution. None
/// for fewer runs than can carry one: five for a bound, six for an interval.
fn bound(runs: &[f64], better: Better, least: f64) -> Option<f64> {
    let mut sorted = runs.to_vec();
    sorted.sort_by(f64::total_cmp);
    if better == Better::Lower {
        sorted.reverse();
    }
    let count = i32::try_from(sorted.len()).ok()?;
    // Chance that fewer than `rank + 1` of the runs lie on the bad side of the true median.
    let mut term = 0.5_f64.powi(count);
    let mut chance = term;
    let mut found = None;
    for (rank, value) in sorted.into_iter().enumerate() {
        if chance > least {
            break;
        }
        found = Some(value);
        let rank = i32::try_from(rank).ok()?;
        term *= f64::from(count - rank) / f64::from(rank + 1);
        chance += term;
    }
    found
}

/// Round by round, what was measured as a share of something else.
pub(crate) fn ratios(with: &[f64], without: &[f64]) -> Vec<f64> {
    let pairs = with.iter().zip(without);
    pairs.map(|(with, without)| with / without).collect()
}

/// Rows as a table for a person.
pub(crate) fn table(rows: &[Row]) -> String {
    let widest = rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
    let mut text = format!(
        "{:<widest$} {:>9} {:>9} {:>9} {:>5} {:>7} {:>7}  {:<7} {}\n",
        "row", "median", "95 % from", "to", "runs", "bar", "goal", "verdict", "unit, against"
    );
    for row in rows {
        let line = format!(
            "{:<widest$} {:>9} {:>9} {:>9} {:>5} {:>7} {:>7}  {:<7} {}\n",
            row.name,
            number(row.value),
            number(row.low),
            number(row.high),
            row.runs,
            number(row.bar),
            number(row.goal),
            row.verdict,
            row.explanation(),
        );
        text.push_str(&line);
    }
    text
}

/// A number with as many digits as mean something; `-` for none.
pub(crate) fn number(value: Option<f64>) -> String {
    let Some(value) = value else {
        return "-".to_owned();
    };
    match value.abs() {
        0.0..10.0 => format!("{value:.3}"),
        10.0..1000.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}
