//! Many frames from one seed leave the same in kernel and host, and reach every header kind and every
//! way to be refused.

use std::collections::BTreeMap;
use std::time::Instant;

use observer_ebpf::fixtures::Header;
use observer_ebpf::parse::{Captured, Expand, Malformed, NotOurs, parse};

use crate::composer::{Composer, NODES};
use crate::pair::{framing, with_pair};
use crate::skip::skip;

/// Frames by default. Fewer or more: `NETPATH_GENERATED_FRAMES`.
const FRAMES: usize = 100_000;
/// Frames between two comparisons: fewer flows and events than the maps hold.
const BATCH: usize = 500;
/// How often each header kind and each reason is met in [`FRAMES`] at least.
const LEAST: u64 = 100;
const SEED: u64 = 0x6e65_7470_6174_6801;
/// Reasons of frames that are too short for `BPF_PROG_TEST_RUN`, which wants 14 bytes.
const TOO_SHORT_TO_RUN: [&str; 2] = ["ethernet_short", "empty"];

#[test]
fn generated_frames_leave_the_same_in_kernel_and_host() {
    let test = "generated_frames_leave_the_same_in_kernel_and_host";
    with_pair(test, |pair| {
        let wanted = match std::env::var("NETPATH_GENERATED_FRAMES") {
            Ok(number) => number.parse().expect("a number of frames"),
            Err(_) => FRAMES,
        };
        pair.add_nodes(&NODES);
        let begun = Instant::now();
        let mut composer = Composer::new(SEED);
        let mut seen = Histogram::default();
        while seen.frames < wanted {
            pair.clear();
            let first = seen.frames;
            while seen.frames < (first + BATCH).min(wanted) {
                let frame = composer.frame();
                if !pair.see(frame.site, &frame.bytes, frame.gso_size, 0) {
                    continue;
                }
                seen.frames += 1;
                if frame.is_true {
                    let (framing, expand) =
                        (framing(frame.site.point), Expand::at(frame.site.point));
                    let length = u32::try_from(frame.bytes.len()).expect("a frame's length");
                    let parsed = parse(&Captured(&frame.bytes), framing, expand, length);
                    assert!(
                        parsed.is_ok(),
                        "a true frame: {parsed:?}, {:?}",
                        frame.headers
                    );
                    seen.add(&frame.headers);
                }
            }
            let what = format!("frames {first} to {} of seed {SEED:#x}", seen.frames);
            let state = pair.agree(&what);
            let refused = seen.add_reasons(&state.counters);
            seen.values += state.counter("frames") - refused;
        }
        println!("{}in {:.1} s", seen.text(), begun.elapsed().as_secs_f64());
        if wanted >= FRAMES {
            seen.check();
        } else {
            let reason = "fewer frames than needed to meet every header and reason";
            skip(
                test,
                &format!("{reason}: NETPATH_GENERATED_FRAMES={wanted}, not {FRAMES}"),
            );
        }
    });
}

/// What was met, and how often.
#[derive(Default)]
struct Histogram {
    frames: usize,
    values: u64,
    /// Of true frames, by name.
    headers: BTreeMap<String, u64>,
    reasons: BTreeMap<&'static str, u64>,
}

impl Histogram {
    fn add(&mut self, headers: &[Header]) {
        for header in Header::ALL.iter().filter(|header| headers.contains(header)) {
            *self.headers.entry(format!("{header:?}")).or_default() += 1;
        }
    }

    /// Adds the ledger's reasons, and returns their sum.
    fn add_reasons(&mut self, counters: &BTreeMap<&'static str, u64>) -> u64 {
        let mut sum = 0;
        for name in reasons() {
            let number = counters.get(name).copied().unwrap_or(0);
            *self.reasons.entry(name).or_default() += number;
            sum += number;
        }
        sum
    }

    fn text(&self) -> String {
        let headers = self.headers.iter().map(|(name, n)| (name.as_str(), n));
        let reasons = self.reasons.iter().map(|(name, n)| (*name, n));
        let line = |(name, number): (&str, &u64)| format!("{name:<24} {number:>8}\n");
        let all: String = headers.chain(reasons).map(line).collect();
        format!("{all}{} frames, {} packets ", self.frames, self.values)
    }

    fn check(&self) {
        let frames = u64::try_from(self.frames).expect("a number");
        assert!(2 * self.values >= frames, "half of {frames} are packets");
        for header in Header::ALL {
            let number = self.headers.get(&format!("{header:?}"));
            assert!(
                number.is_some_and(|n| *n >= LEAST),
                "{header:?}: {number:?}"
            );
        }
        for name in reasons().filter(|name| !TOO_SHORT_TO_RUN.contains(name)) {
            assert!(
                self.reasons[name] >= LEAST,
                "{name}: {}",
                self.reasons[name]
            );
        }
    }
}

/// The names of all reasons.
fn reasons() -> impl Iterator<Item = &'static str> {
    let not_ours = NotOurs::ALL.iter().map(|(_, name)| *name);
    not_ours.chain(Malformed::ALL.iter().map(|(_, name)| *name))
}
