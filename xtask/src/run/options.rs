//! What can be asked of the trial run. It validates and does nothing else.

use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::lab::Scenario;

/// Options of `cargo xtask run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// End after this time, such as 20s or 2m; until Ctrl-C without it
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    pub time: Option<Duration>,
    /// Scenario of the lab to show beside the healthy H2
    #[arg(long, value_name = "ID", default_value = "s1")]
    pub scenario: Scenario,
    /// How to print
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
    /// Also send spans and metrics to this OTLP gRPC endpoint
    #[arg(long, value_name = "URL")]
    pub otlp: Option<String>,
    /// Arguments for the agent itself
    #[arg(last = true, value_name = "OBSERVER ARGS")]
    pub observer: Vec<String>,
}

/// How to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A table for a person.
    Table,
    /// One JSON object per row.
    Json,
}

/// A duration with its unit: `500ms`, `20s`, `2m`. A bare number is refused.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits
        .parse()
        .map_err(|_| "not a whole number with a unit; write 20s".to_owned())?;
    match &text[digits.len()..] {
        "ms" => Ok(Duration::from_millis(number)),
        "s" => Ok(Duration::from_secs(number)),
        "m" => Ok(Duration::from_secs(number.saturating_mul(60))),
        "" => Err(format!("without a unit; write {number}s")),
        unit => Err(format!("unknown unit {unit}; use ms, s or m")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(duration("20s"), Ok(Duration::from_secs(20)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2m"), Ok(Duration::from_mins(2)));
        for text in ["20", "", "s", "-1s", "1.5s", "3h", "2 s"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
