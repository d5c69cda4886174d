//! What a person sees while a trial runs: on a terminal a few lines that are drawn anew, else a
//! plain line now and then. It goes away when the outcome is shown.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::number::{figures, grouped};
use crate::report;
use crate::reports::Path;

/// Without a terminal, how often a line is printed.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// The display of one trial.
#[derive(Debug)]
pub(super) struct Live {
    begun: Instant,
    bar: ProgressBar,
    spoke: Option<Instant>,
    phase: String,
    known: Vec<String>,
}

/// One lab on display.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Glance {
    pub(super) title: String,
    pub(super) classes: Vec<String>,
    pub(super) packets: u64,
    pub(super) pod_ms: Option<f64>,
    pub(super) finding: Option<String>,
}

impl Live {
    /// Starts the display.
    pub(super) fn start() -> Self {
        // Indicatif draws to standard error, and only when that is a terminal.
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed:>3}  {msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(120));
        Self {
            begun: Instant::now(),
            bar,
            spoke: None,
            phase: String::new(),
            known: Vec::new(),
        }
    }

    /// Time since the start.
    pub(super) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Shows what is going on; a new phase is always told.
    pub(super) fn show(&mut self, phase: &str, glances: &[Glance]) {
        if self.bar.is_hidden() {
            self.print(phase, glances);
            return;
        }
        let lines = glances
            .iter()
            .map(|glance| format!("\n    {}", glance.line()));
        self.bar
            .set_message(format!("{phase}{}", lines.collect::<String>()));
    }

    /// The same in plain lines: the phase now and then, the labs when something new is known.
    fn print(&mut self, phase: &str, glances: &[Glance]) {
        let elapsed = report::seconds(self.begun.elapsed());
        let is_due = self.spoke.is_none_or(|spoke| spoke.elapsed() >= HEARTBEAT);
        if self.phase != phase || is_due {
            phase.clone_into(&mut self.phase);
            self.spoke = Some(Instant::now());
            report::progress(format_args!("{elapsed:>7}  {phase}"));
        }
        let known: Vec<String> = glances.iter().map(Glance::known).collect();
        if glances.iter().any(Glance::is_classed) && known != self.known {
            for (glance, _) in glances
                .iter()
                .zip(&known)
                .filter(|(glance, _)| glance.is_classed())
            {
                report::progress(format_args!("{elapsed:>7}    {}", glance.line()));
            }
            self.known = known;
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

impl Glance {
    /// Adds what is known of one more path.
    pub(super) fn add(&mut self, path: &Path) {
        let class = path.class.iter();
        for class in class {
            if !self.classes.contains(class) {
                self.classes.push(class.clone());
            }
        }
        self.packets += path.packets;
        self.pod_ms = self.pod_ms.or(path.rtt_ms.pod.map(|rtt| rtt.p50));
    }

    /// Whether a class is known.
    fn is_classed(&self) -> bool {
        !self.classes.is_empty()
    }

    /// What does not change with every packet.
    fn known(&self) -> String {
        format!("{} {:?}", self.classes.join(" "), self.finding)
    }

    fn line(&self) -> String {
        let classes = if self.is_classed() {
            self.classes.join(", ")
        } else {
            "nothing seen yet".to_owned()
        };
        let known = [
            (self.packets > 0).then(|| format!("{:>9} packets", grouped(self.packets))),
            self.pod_ms
                .map(|millis| format!("round trip {} ms", figures(millis))),
            self.finding
                .as_ref()
                .map(|finding| format!("found: {finding}")),
        ];
        let mut words = vec![format!("{:<5} {classes:<16}", self.title)];
        words.extend(known.into_iter().flatten());
        words.join("  ").trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lab_is_one_line_that_grows_with_what_is_known() {
        let mut glance = Glance {
            title: "S1".to_owned(),
            ..Glance::default()
        };
        assert_eq!(glance.line(), "S1    nothing seen yet");
        let path = |class: &str| Path {
            class: Some(class.to_owned()),
            packets: 700,
            ..Path::default()
        };
        glance.add(&path("vxlan-tailscale"));
        glance.add(&path("vxlan-tailscale"));
        glance.pod_ms = Some(1.234);
        glance.finding = Some("double_encapsulation".to_owned());
        assert_eq!(
            glance.line(),
            "S1    vxlan-tailscale       1,400 packets  round trip 1.23 ms  \
             found: double_encapsulation"
        );
    }
}
