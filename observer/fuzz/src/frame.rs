//! Target `frame`: a sequence of frames through the parser and the packet step. No frame makes a
//! panic, all readers agree, and every frame is accounted for.

use observer::host::{HostObserver, Seen};
use observer_ebpf::abi::PATHS;
use observer_ebpf::abi::counter::Loss;
use observer_ebpf::abi::event::{Event, EventKind};
use observer_ebpf::abi::point::{FlowDirection, Hook, Point};
use observer_ebpf::parse::{CapturedHead, Expand, parse};
use observer_ebpf::step::Frame;
use observer_ebpf::units::Monotonic;

use crate::account::Account;
use crate::case::{self, Shown};
use crate::outcomes::Saw;
use crate::{kinds, readers, stage};

/// Shows a sequence to an observer; panics where something is wrong.
pub(crate) fn run(input: &[u8], saw: Saw<'_>) {
    let (setting, frames) = case::read(input);
    let frames: Vec<_> = frames.collect();
    let mut host = stage::observer(setting);
    let mut account = Account::default();
    let mut now = 1_000_000_000;
    for shown in &frames {
        now += u64::from(shown.pause) << 22;
        if shown.opens_epoch {
            host.control.epoch = host.control.epoch.wrapping_add(1);
        }
        if shown.is_read {
            host.control.pairs_version = host.control.pairs_version.wrapping_add(1);
            take_events(&host, saw);
        }
        let seen = seen(shown, now);
        host.observe_frame(&seen);
        let frame = Frame {
            length: seen.length,
            gso_size: seen.gso_size,
            mark: seen.mark,
        };
        let expand = Expand::at(seen.site.point);
        let head = CapturedHead {
            bytes: seen.bytes,
            length: seen.length,
        };
        let parsed = parse(&head, seen.framing, expand, seen.length);
        account.add(&host, seen.site, frame, &parsed);
        kinds::tell_parsed(&parsed, saw);
    }
    account.check(&host);
    take_events(&host, saw);
    tell_state(&host, saw);
    // Last: what libFuzzer remembers of an input's comparisons is then the parser's.
    for shown in &frames {
        readers::agree(shown, Expand::at(shown.site.point));
    }
}

fn seen<'a>(shown: &Shown<'a>, now: u64) -> Seen<'a> {
    Seen {
        site: shown.site,
        framing: shown.framing(),
        bytes: shown.bytes,
        length: shown.length(),
        gso_size: shown.gso_size.into(),
        mark: u32::from(shown.mark) << 16,
        time: Monotonic(now),
    }
}

/// Every event says where it is from, in numbers that the agent knows.
fn take_events(host: &HostObserver, saw: Saw<'_>) {
    for event in host.take_events() {
        let Event {
            kind,
            point,
            hook,
            direction,
            path,
            reserved,
            ..
        } = event;
        let known = EventKind::from_number(kind);
        assert!(
            known.is_some() && reserved == 0,
            "an event is in order: {event:?}"
        );
        assert!(
            Point::from_index(point).is_some(),
            "an event is in order: {event:?}"
        );
        assert!(
            Hook::from_index(hook).is_some(),
            "an event is in order: {event:?}"
        );
        assert!(
            FlowDirection::from_index(direction).is_some(),
            "an event is in order: {event:?}"
        );
        assert!(path < PATHS, "an event is in order: {event:?}");
        if let Some(kind) = known {
            let (group, name) = kinds::event(kind);
            saw(group, name);
        }
    }
}

/// Tells what the sequence has left.
fn tell_state(host: &HostObserver, saw: Saw<'_>) {
    for (loss, name) in Loss::ALL {
        if host.counter(loss.into()) > 0 {
            saw("ledger", name);
        }
    }
    for (row, _) in host.traffic() {
        let (group, name) = kinds::path(row >> 4);
        saw(group, name);
    }
    for (key, _) in host.outer_flows() {
        let (group, name) = kinds::outer(key.kind);
        saw(group, name);
    }
}
