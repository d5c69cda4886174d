//! Tells user space what was refused, where and why, if it listens: it gives the budget, and without
//! one no event is made. What the budget refuses is counted.

use crate::abi::control::{Budget, Control};
use crate::abi::counter::{Counter, LOSSES, Loss};
use crate::abi::event::{Event, EventKind};
use crate::abi::point::Site;
use crate::parse::NotOurs;

use super::scene::Scene;
use super::{Tables, budget};

/// A frame that is no packet: its device is all that is known of it.
#[derive(Clone, Copy, Debug)]
pub struct Unread {
    /// The cell of the ledger that counted it.
    pub cell: u32,
    /// Number of its device, 0 where devices have none.
    pub ifindex: u32,
    /// Its length, bytes.
    pub length: u32,
    /// Where it was seen.
    pub site: Site,
}

/// Tells of a frame that lies or cannot be read; one that is not ours is no news.
#[inline(never)]
pub fn tell_unread<T: Tables>(tables: &T, unread: &Unread) {
    let Unread {
        cell,
        ifindex,
        length,
        site,
    } = *unread;
    let Some(control) = tables.control() else {
        return;
    };
    let is_news = cell == Loss::HeadersUnreadable as u32 || cell >= LOSSES + NotOurs::COUNT;
    if !is_news || !may_tell(tables, control) {
        return;
    }
    let mut event = event(tables, site, cell, length);
    event.sequence = ifindex;
    event.direction = site.hook as u8;
    submit(tables, &event);
}

/// A flow that gets no entry.
#[inline(never)]
pub(super) fn flow<T: Tables>(scene: &Scene<'_, T>, site: Site, loss: Loss) {
    let (tables, packet) = (scene.tables, scene.packet);
    if !may_tell(tables, scene.control) {
        return;
    }
    let cell = Counter::Loss(loss).index();
    let mut event = event(tables, site, cell, packet.length);
    event.key = packet.key;
    event.direction = packet.direction as u8;
    submit(tables, &event);
}

/// True if user space listens and the window has a message left.
#[inline(always)]
fn may_tell<T: Tables>(tables: &T, control: &Control) -> bool {
    if control.limit(Budget::Messages) == 0 {
        return false;
    }
    let may = budget::take_from(tables, control, Budget::Messages);
    if !may {
        tables.count(Loss::MessageBudget.into(), 1);
    }
    may
}

/// Callers fill what leaves no run of constants that begins between two words: LLVM would store that
/// with one misaligned write, which the verifier refuses on the stack.
#[inline(always)]
fn event<T: Tables>(tables: &T, site: Site, cell: u32, length: u32) -> Event {
    Event {
        time: tables.monotonic(),
        probe: cell,
        length,
        kind: EventKind::Refused as u8,
        point: site.point as u8,
        hook: site.hook as u8,
        ..Event::default()
    }
}

#[inline(always)]
fn submit<T: Tables>(tables: &T, event: &Event) {
    if !tables.emit(event, false) {
        tables.count(Loss::RingFull.into(), 1);
    }
}
