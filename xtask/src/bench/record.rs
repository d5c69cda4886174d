//! One run: what was typed, on which machine, and its rows; as lines of JSON and back. It measures
//! nothing.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::BenchError;
use super::row::Row;

/// One run.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Record {
    pub(super) head: Head,
    pub(super) rows: Vec<Row>,
}

/// What all rows belong to; the first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    /// What was typed.
    pub(super) command: String,
    /// Machine and kernel.
    pub(super) machine: String,
}

impl Record {
    /// A run that has no rows yet.
    pub(super) const fn begun(command: String, machine: String) -> Self {
        Self {
            head: Head { command, machine },
            rows: Vec::new(),
        }
    }

    /// One JSON object per line: the head, then each row.
    pub(super) fn lines(&self) -> String {
        let head = serde_json::to_string(&self.head);
        let rows = self.rows.iter().map(serde_json::to_string);
        let lines = [head].into_iter().chain(rows);
        lines.filter_map(Result::ok).collect::<Vec<_>>().join("\n")
    }

    /// The run that was printed into a file.
    pub(super) fn read(path: &Path) -> Result<Self, BenchError> {
        let failed = |reason: String| BenchError::Record {
            path: path.to_owned(),
            reason,
        };
        let text = fs::read_to_string(path).map_err(|cause| failed(cause.to_string()))?;
        Self::parsed(&text).map_err(failed)
    }

    fn parsed(text: &str) -> Result<Self, String> {
        let wrong = |number: usize, cause: serde_json::Error| format!("line {number}: {cause}");
        let mut lines = text.lines();
        let head = lines.next().ok_or("it is empty")?;
        let rows = lines.enumerate().map(|(index, line)| {
            serde_json::from_str(line).map_err(|cause| wrong(index + 2, cause))
        });
        Ok(Self {
            head: serde_json::from_str(head).map_err(|cause| wrong(1, cause))?,
            rows: rows.collect::<Result<_, _>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_read_as_it_was_printed() {
        let mut record = Record::begun("typed".to_owned(), "two\nlines".to_owned());
        record.rows = vec![
            Row::of("a", "ns", "b", &[1.0, 2.0]),
            Row::void("c", "1", "d"),
        ];
        assert_eq!(Record::parsed(&record.lines()), Ok(record));
    }

    #[test]
    fn a_broken_file_is_refused_with_its_line() {
        let line = |text: &str| Record::parsed(text).expect_err("refused");
        assert_eq!(line(""), "it is empty");
        assert!(line("{}").starts_with("line 1: "), "{}", line("{}"));
        let head = Record::begun(String::new(), String::new()).lines();
        let second = line(&format!("{head}\nrow"));
        assert!(second.starts_with("line 2: "), "{second}");
    }
}
