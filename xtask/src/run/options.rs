//! What can be asked of the trial run. It validates and does nothing else.

use std::time::Duration;

use clap::{Args, ValueEnum};

pub(crate) use crate::duration::parse_duration as duration;
use crate::lab::Scenario;

/// Options of `cargo xtask run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Watch this machine, or drive a lab's traffic, for so long, such as 20s or 2min; without it
    /// until Ctrl-C, in a lab 15s
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    pub time: Option<Duration>,
    /// Show this scenario of the lab alone, all pairs of pods and Services: h2, h2c, h6, s1, s1d, s3, s5, h8 or mixed
    #[arg(long, value_name = "ID")]
    pub scenario: Option<Scenario>,
    /// How to print
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
    /// Also send spans and metrics to this OTLP gRPC endpoint
    #[arg(long, value_name = "URL")]
    pub otlp: Option<String>,
    /// Repeat a lab: deals its addresses and order; random without it
    #[arg(long)]
    pub seed: Option<u64>,
    /// Labs are called NAME-s1, NAME-h2, NAME-h2c; another name lets two trials run at once
    #[arg(long, default_value = "run")]
    pub name: String,
    /// Arguments for the agent itself
    #[arg(last = true, value_name = "OBSERVER ARGS")]
    pub observer: Vec<String>,
}

/// How to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A table for a person.
    Table,
    /// JSON: one document for a lab, the observer's own lines for this machine.
    Json,
}

impl RunArgs {
    /// What every observer of this run is told: the options that are passed on, then the caller's
    /// own, which displace defaults of the same name.
    pub(super) fn agent_arguments(&self, defaults: &[(&str, String)]) -> Vec<String> {
        let mut arguments = Vec::new();
        for (option, value) in defaults {
            let is_own = |word: &String| {
                word == option
                    || word
                        .strip_prefix(option)
                        .is_some_and(|rest| rest.starts_with('='))
            };
            if !self.observer.iter().any(is_own) {
                arguments.extend([(*option).to_owned(), value.clone()]);
            }
        }
        if let Some(url) = &self.otlp {
            arguments.extend(["--otlp".to_owned(), url.clone()]);
        }
        arguments.extend_from_slice(&self.observer);
        arguments
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_callers_own_argument_displaces_a_default() {
        let options = RunArgs {
            time: None,
            scenario: None,
            format: Format::Table,
            otlp: Some("http://127.0.0.1:4317".to_owned()),
            seed: None,
            name: "run".to_owned(),
            observer: vec!["--interval=5s".to_owned()],
        };
        let defaults = [
            ("--interval", "1s".to_owned()),
            ("--sample-one-in", "4".to_owned()),
        ];
        assert_eq!(
            options.agent_arguments(&defaults),
            [
                "--sample-one-in",
                "4",
                "--otlp",
                "http://127.0.0.1:4317",
                "--interval=5s"
            ]
        );
    }
}
