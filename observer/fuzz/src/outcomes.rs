//! What inputs led to, and how often: shows that a corpus reaches everything that a target can do.

use std::collections::BTreeMap;

/// Takes an outcome: what it is of, and its name.
pub(crate) type Saw<'a> = &'a mut dyn FnMut(&'static str, &'static str);

/// One outcome.
pub(crate) type Outcome = (&'static str, &'static str);

/// Numbers of outcomes, those that must be reached among them.
#[derive(Debug)]
pub(crate) struct Histogram {
    counts: BTreeMap<Outcome, u64>,
    wanted: Vec<Outcome>,
}

impl Histogram {
    /// Nothing seen yet of what must be reached.
    pub(crate) fn of(wanted: Vec<Outcome>) -> Self {
        Self {
            counts: wanted.iter().map(|outcome| (*outcome, 0)).collect(),
            wanted,
        }
    }

    /// Counts one outcome.
    pub(crate) fn add(&mut self, group: &'static str, name: &'static str) {
        *self.counts.entry((group, name)).or_default() += 1;
    }

    /// What must be reached and was not.
    pub(crate) fn missing(&self) -> Vec<String> {
        let unseen = self.wanted.iter().filter(|one| self.counts[*one] == 0);
        unseen
            .map(|(group, name)| format!("{group} {name}"))
            .collect()
    }

    /// All outcomes in order, each with its number.
    pub(crate) fn lines(&self) -> impl Iterator<Item = String> {
        let counts = self.counts.iter();
        counts.map(|((group, name), number)| format!("{group} {name} {number}"))
    }
}
