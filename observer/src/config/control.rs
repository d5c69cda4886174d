//! From the settings to what the kernel programs are told first.

use observer_ebpf::abi::control::{Control, Cover};

use super::{Config, LogLevel, Network};
use crate::latency;

/// An accounting window is the largest power of two of jiffies within this, nanoseconds.
const WINDOW: u64 = 250_000_000;
/// New flow entries per second.
const INSERTS: u64 = 4_000;
/// Announcements per second: 500 flows, each at four points in two directions. A burst of connections
/// to a Service shows its backends by them alone.
const ANNOUNCEMENTS: u64 = 4_000;
/// Events per second that wake the agent.
const WAKEUPS: u64 = 20;
/// Refusals per second that are told, if any are.
const MESSAGES: u64 = 20;

/// Silence after which a flow entry is removed, nanoseconds.
const EXPIRY: u64 = 300_000_000_000;

impl Config {
    /// The same silence in accounting windows.
    #[must_use]
    pub fn expiry_windows(&self, jiffy: u64) -> u32 {
        let window = jiffy << self.control(jiffy).window_shift;
        u32::try_from(EXPIRY / window.max(1)).unwrap_or(u32::MAX)
    }

    /// The first control entry on a kernel whose jiffy takes `jiffy` nanoseconds.
    #[must_use]
    pub fn control(&self, jiffy: u64) -> Control {
        let jiffies = (WINDOW / jiffy.max(1)).max(1);
        let shift = u8::try_from(jiffies.ilog2()).unwrap_or(0);
        let window = jiffy << shift;
        let limit = |per_second: u64| {
            u32::try_from((per_second * window).div_ceil(1_000_000_000)).unwrap_or(u32::MAX)
        };
        Control {
            cover: Cover::of(
                &Network::cover(&self.networks, true),
                &Network::cover(&self.networks, false),
            ),
            epoch: 1,
            pairs_version: 1,
            limits: [
                limit(INSERTS),
                limit(ANNOUNCEMENTS),
                limit(latency::BUDGET),
                limit(WAKEUPS),
                match self.log {
                    LogLevel::Info => 0,
                    LogLevel::Debug => limit(MESSAGES),
                },
            ],
            window_shift: shift,
            rate: self.rate,
            echo_rate: 0,
            ports_attached: 0,
            relays: u32::try_from(self.relays.len()).unwrap_or(u32::MAX),
            paths_full: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{File, Overrides};
    use super::*;

    #[test]
    fn budgets_are_per_second_whatever_the_jiffy() {
        let config = Config::read(None, Overrides::default()).expect("defaults");
        for (jiffy, shift, inserts) in [
            (4_000_000, 5, 512),
            (1_000_000, 7, 512),
            (10_000_000, 4, 640),
        ] {
            let control = config.control(jiffy);
            assert_eq!(
                (control.window_shift, control.limits[0]),
                (shift, inserts),
                "{jiffy} ns"
            );
        }
        assert!(File::parse(Path::new("a"), "").is_ok());
    }
}
