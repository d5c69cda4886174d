//! What libFuzzer says while it runs, line by line, as numbers. Pure.

/// Numbers of one run, and what an input made the target say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// Inputs that were executed.
    pub(super) executions: u64,
    /// Executions in a second.
    pub(super) rate: u64,
    /// Edges that were passed.
    pub(super) edges: u64,
    /// Edges that there are.
    pub(super) all_edges: u64,
    /// Inputs of the corpus, each of which passes edges as no smaller one does.
    pub(super) units: u64,
    /// The file with the input that made the target fail.
    pub(super) artifact: Option<String>,
    /// Why it failed.
    pub(super) failure: Option<String>,
    panicked: bool,
}

impl Said {
    /// Takes the next line.
    pub(super) fn line(&mut self, line: &str) {
        if self.panicked {
            self.failure = Some(line.to_owned());
            self.panicked = false;
        }
        if line.starts_with("thread ") && line.contains(" panicked at ") {
            self.panicked = true;
        } else if let Some(what) = line.split_once("ERROR: libFuzzer: ").map(|(_, what)| what) {
            self.failure.get_or_insert_with(|| what.to_owned());
        } else if let Some((_, path)) = line.split_once("Test unit written to ") {
            self.artifact = Some(path.trim().to_owned());
        } else if let Some(number) = stat(line, "number_of_executed_units") {
            self.executions = number;
        } else if let Some(number) = stat(line, "average_exec_per_sec") {
            self.rate = number;
        } else if line.contains("PC tables") {
            self.all_edges = line
                .split_once('(')
                .and_then(|(_, rest)| leading(rest))
                .unwrap_or(self.all_edges);
        } else if line.starts_with('#') {
            self.status(line);
        }
    }

    /// A line as `#2048 pulse  cov: 911 ft: 2800 corp: 503/31Kb exec/s: 1024 rss: 60Mb`.
    fn status(&mut self, line: &str) {
        let after = |name: &str| leading(line.split_once(name)?.1.trim_start());
        self.edges = after("cov: ").unwrap_or(self.edges);
        self.units = after("corp: ").unwrap_or(self.units);
        let executions = leading(line.trim_start_matches('#'));
        self.executions = self.executions.max(executions.unwrap_or(0));
    }
}

/// The number of `stat::NAME: NUMBER`.
fn stat(line: &str, name: &str) -> Option<u64> {
    let rest = line.strip_prefix("stat::")?.strip_prefix(name)?;
    leading(rest.trim_start_matches(':').trim_start())
}

/// The number that a text begins with.
fn leading(text: &str) -> Option<u64> {
    let end = text.find(|letter: char| !letter.is_ascii_digit());
    text[..end.unwrap_or(text.len())].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Said {
        let mut said = Said::default();
        text.lines().for_each(|line| said.line(line));
        said
    }

    #[test]
    fn a_run_to_its_end_gives_its_numbers() {
        let said = said(
            "INFO: Loaded 1 PC tables (31234 PCs): 31234 [0x55,0x56),\n\
             #503\tINITED cov: 900 ft: 2700 corp: 400/30Kb exec/s: 0 rss: 33Mb\n\
             #178973\tDONE   cov: 1234 ft: 5678 corp: 812/67Kb lim: 8192 exec/s: 2933 rss: 33Mb\n\
             stat::number_of_executed_units: 178973\n\
             stat::average_exec_per_sec:     2933\n",
        );
        let numbers = (said.executions, said.rate, said.edges, said.all_edges);
        assert_eq!(numbers, (178_973, 2_933, 1_234, 31_234));
        assert_eq!((said.units, said.artifact, said.failure), (812, None, None));
    }

    #[test]
    fn a_panic_names_its_input_and_its_reason() {
        let said = said(
            "#2048\tpulse  cov: 911 ft: 2800 corp: 503/31Kb exec/s: 1024 rss: 60Mb\n\
             thread '<unnamed>' (7) panicked at src/account.rs:76:9:\n\
             assertion `left == right` failed: a frame counts once\n  left: 2\n right: 1\n\
             ==9== ERROR: libFuzzer: deadly signal\n\
             artifact_prefix='/tmp/a/'; Test unit written to /tmp/a/crash-12ab\n",
        );
        assert_eq!(said.executions, 2_048);
        assert_eq!(said.artifact.as_deref(), Some("/tmp/a/crash-12ab"));
        let reason = "assertion `left == right` failed: a frame counts once";
        assert_eq!(said.failure.as_deref(), Some(reason));
    }

    #[test]
    fn an_input_that_takes_for_ever_is_named_too() {
        let said = said(
            "==9== ERROR: libFuzzer: timeout after 10 seconds\n\
             artifact_prefix='./'; Test unit written to ./timeout-9f\n",
        );
        assert_eq!(said.failure.as_deref(), Some("timeout after 10 seconds"));
        assert_eq!(said.artifact.as_deref(), Some("./timeout-9f"));
    }
}
