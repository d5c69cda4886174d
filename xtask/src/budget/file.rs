//! The budget as a file: one table of stack, and one of instructions per series of kernels.

use std::collections::BTreeMap;
use std::fs;

use serde::{Deserialize, Serialize};

use super::BudgetError;
use super::measured::{Figures, Measured};
use crate::workspace_root;

/// The file, from the root of the workspace.
pub(super) const FILE: &str = "observer/verifier-budget.toml";
/// What stands above its tables.
const HEAD: &str = "\
# What each kernel program costs: bytes of stack (the same on all kernels), and verified instructions by
# kernel series. `cargo xtask check` fails on growth; `cargo xtask check --accept-budget` writes this file.

";

/// What each program may cost.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Budget {
    /// Bytes of stack.
    pub(crate) stack: Figures,
    /// Verified instructions by series.
    pub(crate) instructions: BTreeMap<String, Figures>,
}

impl Budget {
    /// Reads the file.
    pub(crate) fn read() -> Result<Self, BudgetError> {
        let failed = |cause: String| BudgetError::File {
            action: format!("read {FILE}"),
            cause,
        };
        let text = fs::read_to_string(workspace_root().join(FILE));
        let text = text.map_err(|cause| failed(cause.to_string()))?;
        toml::from_str(&text).map_err(|cause| failed(cause.to_string()))
    }

    pub(super) fn write(&self) -> Result<(), BudgetError> {
        let failed = |cause: String| BudgetError::File {
            action: format!("write {FILE}"),
            cause,
        };
        let tables = toml::to_string(self).map_err(|cause| failed(cause.to_string()))?;
        let written = fs::write(workspace_root().join(FILE), format!("{HEAD}{tables}"));
        written.map_err(|cause| failed(cause.to_string()))
    }

    /// Takes what was measured on one kernel; other kernels' figures stay, but for programs that are gone.
    pub(super) fn accept(&mut self, measured: &Measured) {
        self.stack.clone_from(&measured.stack);
        let column = series(&measured.release);
        self.instructions
            .insert(column, measured.instructions.clone());
        for column in self.instructions.values_mut() {
            column.retain(|program, _| measured.stack.contains_key(program));
        }
    }
}

/// The series of a release: `6.1` of `6.1.0-56-cloud-amd64`.
pub(super) fn series(release: &str) -> String {
    let numbers = release.split(|c: char| !c.is_ascii_digit()).take(2);
    numbers.collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(release: &str, programs: &[(&str, u32)]) -> Measured {
        let figures: Figures = programs
            .iter()
            .map(|(program, figure)| ((*program).to_owned(), *figure))
            .collect();
        Measured {
            release: release.to_owned(),
            instructions: figures.clone(),
            stack: figures,
        }
    }

    #[test]
    fn a_series_is_the_first_two_numbers() {
        assert_eq!(series("6.1.0-56-cloud-amd64"), "6.1");
        assert_eq!(series("6.12.117+deb12-cloud-amd64"), "6.12");
        assert_eq!(series("6.18"), "6.18");
    }

    #[test]
    fn one_kernel_is_accepted_beside_the_others() {
        let mut budget = Budget::default();
        budget.accept(&measured("6.1.0", &[("a", 1), ("gone", 2)]));
        budget.accept(&measured("6.12.3", &[("a", 3), ("new", 4)]));
        let columns: Vec<_> = budget.instructions.keys().map(String::as_str).collect();
        assert_eq!(columns, ["6.1", "6.12"]);
        assert_eq!(budget.instructions["6.1"], [("a".to_owned(), 1)].into());
        assert_eq!(budget.instructions["6.12"].len(), 2);
        let text = toml::to_string(&budget).expect("toml");
        assert_eq!(toml::from_str::<Budget>(&text).expect("toml"), budget);
    }
}
