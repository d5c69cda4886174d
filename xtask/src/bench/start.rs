//! From the agent's start to the first line that names the class of the path that is in use.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::agent::Agent;
use super::row::{Better, Row};
use super::{Bench, BenchError, NODES};
use crate::traffic::Stop;

const BAR: f64 = 5.0;
const GOAL: f64 = 2.0;

/// After this long there is no first path.
const PATIENCE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(5);

/// Seconds to the first classed path, one run per start.
pub(super) fn rows(bench: &Bench) -> Result<Vec<Row>, BenchError> {
    let against = "a warm start under ping-pong, default settings";
    let mut runs = Vec::new();
    for _ in 0..bench.effort.starts {
        bench.go_on()?;
        let Some(took) = first_path(bench)? else {
            let reason = format!("no right class within {} s", PATIENCE.as_secs());
            let void = Row::void("first_classed_path", "s", &reason);
            return Ok(vec![void.with_bar(Better::Lower, BAR, GOAL, &[])]);
        };
        runs.push(took.as_secs_f64());
    }
    let row = Row::of("first_classed_path", "s", against, &runs);
    // The bar is for every start, not for the median.
    let worst = runs.iter().copied().reduce(f64::max);
    let judged = Row {
        bound: worst,
        ..row
    }
    .with_bar(Better::Lower, BAR, GOAL, &runs);
    Ok(vec![judged])
}

/// Time to the first right class; none if there was none in time.
fn first_path(bench: &Bench) -> Result<Option<Duration>, BenchError> {
    let expected = bench.lab.expected();
    let [source, destination] = &bench.pods;
    let class = expected
        .iter()
        .find(|path| path.from == source.name && path.to == destination.name)
        .map_or("", |path| path.class);
    let ends = bench.pods.each_ref().map(|pod| pod.address.to_string());
    let stop = Stop::default();
    thread::scope(|scope| {
        let traffic = scope.spawn(|| bench.trickle(PATIENCE, &stop));
        let found = watch(bench, &ends, class);
        stop.set();
        match traffic.join() {
            Ok(driven) => driven?,
            Err(panic) => std::panic::resume_unwind(panic),
        }
        found
    })
}

/// Starts the agent and waits for the line.
fn watch(bench: &Bench, ends: &[String; 2], class: &str) -> Result<Option<Duration>, BenchError> {
    let [node, _] = NODES;
    let begun = Instant::now();
    let agent = Agent::start(bench, node, &["--format", "json"])?;
    let mut found = None;
    while found.is_none() && begun.elapsed() < PATIENCE {
        thread::sleep(POLL);
        let text = fs::read_to_string(&agent.log).unwrap_or_default();
        if text.lines().any(|line| names(line, ends, class)) {
            found = Some(begun.elapsed());
        }
    }
    agent.end()?;
    Ok(found)
}

/// Whether a line of the agent names the class of the path between these ends.
fn names(line: &str, [source, destination]: &[String; 2], class: &str) -> bool {
    let Ok(object) = serde_json::from_str::<Value>(line) else {
        return false;
    };
    object["type"] == "path"
        && object["source"]["address"] == source.as_str()
        && object["destination"]["address"] == destination.as_str()
        && object["class"] == class
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn only_the_right_class_between_the_right_ends_counts() {
        let ends = ["10.42.1.2", "10.42.2.3"].map(str::to_owned);
        let line = |class: &str| {
            format!(
                r#"{{"type":"path","source":{{"address":"10.42.1.2"}},
                    "destination":{{"address":"10.42.2.3"}},"class":{class}}}"#
            )
        };
        assert!(names(&line("\"vxlan-vmnet\""), &ends, "vxlan-vmnet"));
        assert!(!names(&line("\"vxlan-lan\""), &ends, "vxlan-vmnet"));
        assert!(!names(&line("null"), &ends, "vxlan-vmnet"));
        assert!(!names("{\"type\":\"ledger\"}", &ends, "vxlan-vmnet"));
        assert!(!names("no json", &ends, "vxlan-vmnet"));
    }
}
