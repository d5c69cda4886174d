//! `lab verify`: whether a scenario is what it is said to be, by oracles alone; and whether the same
//! questions notice that its fault has been undone. No observer runs.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::RealError;
use super::RealLab;
use super::evidence::{Evidence, Sign};
use super::scenario::Scenario;

/// Names the columns of the matrix.
pub const HEADING: &str = "               with its fault               fault undone";

/// A row of the matrix: one scenario, with its fault and without.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// Id of the scenario.
    pub scenario: &'static str,
    /// What dealt its roles and addresses.
    pub seed: u64,
    /// From nothing to pods that talk, in seconds.
    pub up_seconds: f64,
    /// The signs of the scenario as it is described.
    pub itself: Vec<Sign>,
    /// The same signs after its fault was undone; none for a healthy scenario.
    pub undone: Option<Vec<Sign>>,
}

impl Row {
    /// Whether it is as described, and no longer so once its fault is undone.
    #[must_use]
    pub fn is_right(&self) -> bool {
        all_hold(&self.itself) && self.undone.as_deref().is_none_or(|signs| !all_hold(signs))
    }
}

/// Builds a scenario, asks, undoes its fault, and asks again.
pub fn verify(
    scenario: &'static Scenario,
    seed: u64,
    duration: Duration,
) -> Result<Row, RealError> {
    let lab = RealLab::up(scenario, seed)?;
    let itself = signs(&lab, duration)?;
    let undone = if lab.undo()? {
        Some(signs(&lab, duration)?)
    } else {
        None
    };
    Ok(Row {
        scenario: scenario.id,
        seed,
        up_seconds: lab.up_seconds(),
        itself,
        undone,
    })
}

fn signs(lab: &RealLab, duration: Duration) -> Result<Vec<Sign>, RealError> {
    let evidence = Evidence::gather(lab, duration)?;
    (lab.scenario().signs)(&evidence)
}

fn all_hold(signs: &[Sign]) -> bool {
    !signs.is_empty() && signs.iter().all(|sign| sign.holds)
}

impl fmt::Display for Row {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let undone = self.undone.as_deref().map_or("-".to_owned(), in_words);
        let itself = in_words(&self.itself);
        let (scenario, seed, up) = (self.scenario, self.seed, self.up_seconds);
        let right = if self.is_right() { "right" } else { "WRONG" };
        write!(
            out,
            "{scenario:<5} {right}  {itself:<28} {undone:<28} up {up:>4.1} s  seed {seed}"
        )?;
        let wrong = self.itself.iter().filter(|sign| !sign.holds);
        for sign in wrong {
            let Sign { claim, seen, .. } = sign;
            write!(out, "\n        does not hold: {claim}; {seen}")?;
        }
        if self.undone.as_deref().is_some_and(all_hold) {
            write!(
                out,
                "\n        every sign still holds once the fault is undone"
            )?;
        }
        Ok(())
    }
}

/// As described or not, and how many signs say so.
fn in_words(signs: &[Sign]) -> String {
    let holding = signs.iter().filter(|sign| sign.holds).count();
    let words = if all_hold(signs) {
        "as described"
    } else {
        "not as described"
    };
    format!("{words} ({holding} of {})", signs.len())
}

#[cfg(test)]
mod tests {
    use super::{Row, Sign};

    fn row(itself: &[bool], undone: Option<&[bool]>) -> Row {
        let signs = |held: &[bool]| {
            let signs = held.iter();
            signs
                .map(|&holds| Sign::new("claim", holds, "seen"))
                .collect()
        };
        Row {
            scenario: "S1",
            seed: 1,
            up_seconds: 8.0,
            itself: signs(itself),
            undone: undone.map(signs),
        }
    }

    #[test]
    fn a_fault_has_to_show_and_to_go() {
        assert!(row(&[true, true], Some(&[true, false])).is_right());
        assert!(row(&[true], None).is_right(), "a healthy one has no fault");
        assert!(!row(&[true, false], Some(&[false, false])).is_right());
        assert!(!row(&[true, true], Some(&[true, true])).is_right());
    }

    #[test]
    fn without_signs_nothing_is_as_described() {
        assert!(!row(&[], None).is_right());
    }
}
