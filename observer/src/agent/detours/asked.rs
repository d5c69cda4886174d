//! Discovery messages of the last minutes: whom tailscaled asks for a direct road, and who answers.
//! Time is an argument.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::diagnosis::DISCO_COUNTS as KEPT;

/// Messages without an answer that make a neighbour silent: tailscaled asks again every few seconds
/// while it sends by a relay.
const SILENT: u64 = 3;
/// Messages of so long count as one time's.
const TOGETHER: Duration = Duration::from_secs(10);

/// Everybody who was asked lately.
#[derive(Debug, Default)]
pub(super) struct Asked(BTreeMap<IpAddr, Messages>);

#[derive(Debug, Default)]
struct Messages {
    /// When they began to be sent, and how many.
    sent: VecDeque<(Instant, u64)>,
    answered: Option<Instant>,
}

impl Asked {
    /// Begins a sweep: forgets what was long ago.
    pub(super) fn begin(&mut self, now: Instant) {
        let is_old = |time: Instant| now.duration_since(time) >= KEPT;
        self.0.retain(|_, messages| {
            while messages.sent.pop_front_if(|sent| is_old(sent.0)).is_some() {}
            messages.answered = messages.answered.filter(|&time| !is_old(time));
            !messages.sent.is_empty()
        });
    }

    /// Takes messages to an address.
    pub(super) fn sent(&mut self, to: IpAddr, messages: u64, now: Instant) {
        let sent = &mut self.0.entry(to).or_default().sent;
        match sent.back_mut() {
            Some((began, count)) if now.duration_since(*began) < TOGETHER => *count += messages,
            Some(_) | None => sent.push_back((now, messages)),
        }
    }

    /// Takes messages from an address.
    pub(super) fn came(&mut self, from: IpAddr, now: Instant) {
        if let Some(messages) = self.0.get_mut(&from) {
            messages.answered = Some(now);
        }
    }

    /// Those that did not answer, with the number of messages to them.
    pub(super) fn unanswered(&self) -> Vec<(IpAddr, u64)> {
        let silent = self.0.iter().filter(|(_, own)| own.answered.is_none());
        silent
            .map(|(&address, own)| (address, own.sent.iter().map(|(_, count)| count).sum()))
            .filter(|&(_, count)| count >= SILENT)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 168, 7, 2));
    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 168, 7, 3));

    #[test]
    fn three_messages_without_an_answer_make_a_neighbour_silent_for_a_while() {
        let mut asked = Asked::default();
        let start = Instant::now();
        for (messages, silent) in [(2, vec![]), (1, vec![(ONE, 3)])] {
            asked.begin(start);
            asked.sent(ONE, messages, start);
            asked.sent(OTHER, messages, start);
            asked.came(OTHER, start);
            assert_eq!(asked.unanswered(), silent);
        }
        asked.begin(start + KEPT);
        assert_eq!(asked.unanswered(), []);
    }

    /// What is unanswered after a message every `pause`, `count` of them, each answered that `answers`.
    fn after(count: u32, pause: Duration, answers: impl Fn(u32) -> bool) -> Vec<(IpAddr, u64)> {
        let mut asked = Asked::default();
        let start = Instant::now();
        for number in 0..count {
            let now = start + pause * number;
            asked.begin(now);
            asked.sent(ONE, 1, now);
            if answers(number) {
                asked.came(ONE, now);
            }
        }
        asked.unanswered()
    }

    #[test]
    fn one_that_answered_long_ago_is_silent_and_one_that_did_lately_is_not() {
        let pause = Duration::from_secs(30);
        assert_eq!(after(7, pause, |number| number == 1), []);
        assert_eq!(after(8, pause, |number| number == 1), [(ONE, 6)]);
    }

    #[test]
    fn three_messages_in_an_hour_are_no_silence_and_old_ones_are_not_counted() {
        assert_eq!(after(9, Duration::from_mins(2), |_| false), []);
        let often = Duration::from_millis(500);
        let within = u64::try_from((KEPT + TOGETHER).as_millis() / often.as_millis());
        let found = after(2_000, often, |_| false);
        let [(ONE, messages)] = found[..] else {
            panic!("one, not {found:?}")
        };
        let within = within.expect("few");
        assert!((within - 40..=within).contains(&messages), "{messages}");
    }
}
