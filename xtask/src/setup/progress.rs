//! Shows a long step while it runs: a spinner with elapsed time and the latest line of output on
//! a terminal, else plain lines. It never decides how a step ended.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::report;

/// Without a terminal, how often a step that is still running says so.
const HEARTBEAT: Duration = Duration::from_secs(20);
/// The latest line of output is cut to this many characters.
const WIDTH: usize = 60;

/// One step on display.
pub struct Progress {
    name: String,
    started: Instant,
    bar: ProgressBar,
    spoke: Instant,
    latest: String,
}

impl Progress {
    /// Starts the display of a step.
    #[must_use]
    pub fn start(name: &str) -> Self {
        // Indicatif draws to standard error, and only when that is a terminal.
        let bar = ProgressBar::new_spinner().with_message(String::new());
        let template = format!(
            "{{spinner}} {} {{elapsed}}  {{msg}}",
            name.replace(['{', '}'], "")
        );
        if let Ok(style) = ProgressStyle::with_template(&template) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(120));
        let now = Instant::now();
        Self {
            name: name.to_owned(),
            started: now,
            bar,
            spoke: now,
            latest: String::new(),
        }
    }

    /// Tells the latest line of output.
    pub fn tell(&mut self, line: &str) {
        if !line.trim().is_empty() {
            self.latest = line.trim().chars().take(WIDTH).collect();
            self.bar.set_message(self.latest.clone());
        }
    }

    /// Time goes by; without a terminal this speaks now and then.
    pub fn tick(&mut self) {
        if self.bar.is_hidden() && self.spoke.elapsed() >= HEARTBEAT {
            self.spoke = Instant::now();
            let elapsed = report::seconds(self.started.elapsed());
            report::progress(format_args!(
                "  ... {} {elapsed}: {}",
                self.name, self.latest
            ));
        }
    }

    /// Takes the display away and says how long the step took.
    pub fn finish(self, ending: &str) {
        self.bar.finish_and_clear();
        let took = report::seconds(self.started.elapsed());
        report::progress(format_args!("  {}: {ending}, {took}", self.name));
    }
}
