//! What was measured against the budget. Pure.

use std::collections::BTreeSet;

use super::file::{Budget, FILE, series};
use super::measured::{Figures, Measured};

/// What accepts growth.
pub(super) const ACCEPT: &str = "cargo xtask check --accept-budget";
/// Growth of instructions that is none, in percent: releases of one series differ by less.
const TOLERANCE: u32 = 2;
/// What no program may cost, whatever is accepted: half of the room that the oldest kernel leaves.
const INSTRUCTIONS: u32 = 200_000;
/// The same, bytes of stack: of the 512 that the kernel allows.
const STACK: u32 = 384;

/// What is above the budget, and what could not be looked at.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// One line each.
    pub(crate) findings: Vec<String>,
    /// One line each.
    pub(crate) unchecked: Vec<String>,
}

/// Compares what one kernel said; the budget itself has to be within the bounds too.
pub(crate) fn compare(budget: &Budget, measured: &Measured) -> Verdict {
    let mut verdict = Verdict {
        findings: above_bounds(budget),
        ..Verdict::default()
    };
    let stack = Table {
        unit: "bytes of stack",
        place: String::new(),
        tolerance: 0,
        bound: STACK,
    };
    verdict
        .findings
        .extend(stack.growth(&budget.stack, &measured.stack));
    let series = series(&measured.release);
    let instructions = Table {
        unit: "verified instructions",
        place: format!(" on Linux {series}"),
        tolerance: TOLERANCE,
        bound: INSTRUCTIONS,
    };
    match budget.instructions.get(&series) {
        _ if measured.instructions.is_empty() => verdict
            .unchecked
            .push("verified instructions: loading programs needs root".to_owned()),
        None => verdict.unchecked.push(format!(
            "verified instructions: {FILE} has no column for this kernel's series"
        )),
        Some(column) => verdict
            .findings
            .extend(instructions.growth(column, &measured.instructions)),
    }
    verdict
}

/// Programs of a budget that cost more than any may.
pub(super) fn above_bounds(budget: &Budget) -> Vec<String> {
    let above = |figures: &Figures, bound, unit: &str| -> Vec<String> {
        let above = figures.iter().filter(|(_, figure)| **figure > bound);
        above
            .map(|(program, figure)| {
                format!("{program}: a budget of {figure} {unit}, and at most {bound} may be")
            })
            .collect()
    };
    let columns = budget.instructions.iter();
    let instructions = columns.flat_map(|(series, column)| {
        above(
            column,
            INSTRUCTIONS,
            &format!("verified instructions on Linux {series}"),
        )
    });
    let stack = above(&budget.stack, STACK, "bytes of stack");
    stack.into_iter().chain(instructions).collect()
}

/// One kind of figure.
struct Table {
    unit: &'static str,
    place: String,
    /// In percent.
    tolerance: u32,
    bound: u32,
}

impl Table {
    fn growth(&self, budget: &Figures, found: &Figures) -> Vec<String> {
        let programs: BTreeSet<&String> = budget.keys().chain(found.keys()).collect();
        let finding = |program: &String| self.finding(program, budget, found);
        programs.into_iter().filter_map(finding).collect()
    }

    fn finding(&self, program: &String, budget: &Figures, found: &Figures) -> Option<String> {
        let Self {
            unit,
            place,
            tolerance,
            bound,
        } = self;
        match (budget.get(program), found.get(program)) {
            (_, Some(found)) if found > bound => Some(format!(
                "{program}{place}: {found} {unit}, and no program may have more than {bound}"
            )),
            (None, Some(found)) => Some(format!(
                "{program}{place}: {found} {unit} without a budget; `{ACCEPT}` accepts that"
            )),
            (Some(_), None) => Some(format!(
                "{program}{place}: a budget, and no such program; `{ACCEPT}` removes it"
            )),
            (Some(budget), Some(found)) if *found > budget + budget * tolerance / 100 => {
                Some(format!(
                    "{program}{place}: {found} {unit}, budget {budget} (tolerance {tolerance} %); \
                     `{ACCEPT}` accepts that"
                ))
            }
            (Some(_), Some(_)) | (None, None) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(figure: u32) -> Figures {
        [("tunnel_in".to_owned(), figure)].into()
    }

    fn budget() -> Budget {
        Budget {
            stack: figures(288),
            instructions: [("6.18".to_owned(), figures(100_000))].into(),
        }
    }

    fn measured(release: &str, instructions: u32, stack: u32) -> Measured {
        Measured {
            release: release.to_owned(),
            instructions: figures(instructions),
            stack: figures(stack),
        }
    }

    fn findings(instructions: u32, stack: u32) -> Vec<String> {
        compare(&budget(), &measured("6.18.5", instructions, stack)).findings
    }

    #[test]
    fn growth_within_the_tolerance_is_none() {
        assert!(findings(102_000, 288).is_empty());
        assert!(findings(50_000, 32).is_empty());
    }

    #[test]
    fn growth_names_program_kernel_figure_budget_and_command() {
        let found = findings(102_001, 288);
        assert_eq!(
            found,
            [
                "tunnel_in on Linux 6.18: 102001 verified instructions, budget 100000 (tolerance 2 %); \
              `cargo xtask check --accept-budget` accepts that"
            ]
        );
        assert_eq!(findings(100_000, 320).len(), 1);
        assert_eq!(findings(200_001, STACK + 1).len(), 2);
    }

    #[test]
    fn programs_without_a_budget_and_budgets_without_a_program_are_findings() {
        let mut other = measured("6.18.5", 1, 1);
        other.stack = [("new".to_owned(), 1)].into();
        other.instructions = other.stack.clone();
        assert_eq!(compare(&budget(), &other).findings.len(), 4);
    }

    #[test]
    fn what_cannot_be_checked_is_said() {
        let other = compare(&budget(), &measured("6.5.1", 300_000, 288));
        assert!(other.findings.is_empty());
        assert!(
            other.unchecked[0].contains("no column for this kernel's series"),
            "{other:?}"
        );
        let mut no_root = measured("6.18.5", 1, 288);
        no_root.instructions.clear();
        let no_root = compare(&budget(), &no_root);
        assert!(no_root.unchecked[0].contains("needs root"), "{no_root:?}");
    }

    #[test]
    fn what_no_program_may_cost_cannot_be_accepted() {
        assert!(above_bounds(&budget()).is_empty());
        let mut dear = budget();
        dear.stack = figures(STACK + 1);
        dear.instructions.insert("6.1".to_owned(), figures(200_001));
        assert_eq!(above_bounds(&dear).len(), 2);
        // Nor does a budget that was written before the bound, or by hand, allow it.
        let found = compare(&dear, &measured("6.18.5", 100_000, 288)).findings;
        assert_eq!(found, above_bounds(&dear));
    }
}
