//! Passive round-trip times (RFC 7323 timestamps, ICMP echo, DNS). All points time the same segment: the
//! first one of its `TSval` that extends the sequence space. A DNS query that is asked again is timed from
//! the first time on, as a segment with an equal `TSval` is. The clock is read when a packet may arm
//! a point or answers an armed one, never else.

use crate::abi::biflow::{Assignment, Biflow};
use crate::abi::point::{FlowDirection, Hook, Point, Site};
use crate::cell::{Cell32, Cell64};
use crate::parse::{Packet, TCP_ACK, TCP_RST, TimingKind};
use crate::units::{Ticks, low_word};

use super::announce::{entrance, is_announced};
use super::scene::Scene;
use super::{Tables, entry, is_selected, sample};

/// An armed packet that nobody answered for 4 s is given up. In ticks.
pub(super) const STALE: u32 = 3_906_250;
/// An armed segment this few `TSval` ticks old is not looked at with the clock.
const YOUNG: u32 = 64;
/// For 2 s an unselected packet leaves a selected one armed. In ticks.
const SELECTED_HOLDS: u32 = STALE / 2;

/// {probe in the high half, ticks in the low half}; ticks 0 = answered.
#[derive(Clone, Copy)]
pub(super) struct Armed {
    pub(super) word: u64,
}

impl Armed {
    #[inline(always)]
    pub(super) const fn probe(self) -> u32 {
        low_word(self.word >> 32)
    }

    #[inline(always)]
    pub(super) const fn since(self) -> Ticks {
        Ticks(low_word(self.word))
    }

    #[inline(always)]
    const fn is_armed(self) -> bool {
        self.since().0 != 0
    }
}

/// Times one packet: answers what it answers, raises `fresh`, arms this point.
#[inline(always)]
pub(super) fn time<T: Tables>(
    scene: Scene<'_, T>,
    site: Site,
    entry: &Biflow<T::W32, T::W64>,
    assignment: Assignment,
) {
    let timing = &scene.packet.timing;
    let (rate, is_reply) = match timing.kind {
        TimingKind::None => return,
        TimingKind::TcpPlain => (assignment.rate, timing.tcp_flags & (TCP_ACK | TCP_RST) != 0),
        TimingKind::TcpStamped => (assignment.rate, timing.tcp_flags & TCP_ACK != 0),
        TimingKind::EchoRequest => (scene.control.echo_rate, false),
        TimingKind::EchoReply => (scene.control.echo_rate, true),
        TimingKind::DnsQuery => (assignment.rate, false),
        TimingKind::DnsAnswer => (assignment.rate, true),
    };
    if is_reply {
        answer(scene, site, entry, Assignment { rate, ..assignment });
    }
    if !timing.occupies {
        return;
    }
    let is_segment = matches!(timing.kind, TimingKind::TcpPlain | TimingKind::TcpStamped);
    let is_fresh = !is_segment || raise(scene, site, entry);
    if is_fresh && timing.kind != TimingKind::TcpPlain {
        arm(scene, site, entry, rate);
    }
}

/// Raises `fresh` if the segment extends the sequence space, counts a retransmission if not. True
/// if the segment's `TSval` is the one to time.
#[inline(always)]
fn raise<T: Tables>(scene: Scene<'_, T>, site: Site, entry: &Biflow<T::W32, T::W64>) -> bool {
    let timing = &scene.packet.timing;
    let cell = scene.packet.direction.of(&entry.fresh);
    let held = cell.load();
    let ahead = timing.sequence_end.wrapping_sub(low_word(held >> 32));
    if held == 0 || ahead.wrapping_sub(1) < u32::MAX / 2 {
        // Of two CPUs that raise it at once one is lost, which the flow's next segment mends; a
        // compare-and-exchange would cost every segment of every flow more than that is worth.
        cell.store((u64::from(timing.sequence_end) << 32) | u64::from(timing.probe));
        return true;
    }
    if counts_retransmissions(scene, site) {
        sample::retransmission(&scene, entry);
    }
    low_word(held) == timing.probe
}

/// The local sender's first point alone: elsewhere `fresh` was raised by another point before.
#[inline(always)]
const fn counts_retransmissions<T>(scene: Scene<'_, T>, site: Site) -> bool {
    is_pod_point(scene, site) && matches!(site.hook, Hook::Ingress)
}

/// True where pods are first and last seen: at the ports, or without those at the bridge.
#[inline(always)]
pub(super) const fn is_pod_point<T>(scene: Scene<'_, T>, site: Site) -> bool {
    match site.point {
        Point::Port => scene.control.ports_attached != 0,
        Point::Bridge => scene.control.ports_attached == 0,
        Point::Overlay
        | Point::Tunnel
        | Point::FlannelWg
        | Point::Underlay0
        | Point::Underlay1
        | Point::Underlay2 => false,
    }
}

/// Arms this point with the packet's probe, unless a better one is armed.
#[inline(always)]
fn arm<T: Tables>(scene: Scene<'_, T>, site: Site, entry: &Biflow<T::W32, T::W64>, rate: u8) {
    let packet = scene.packet;
    if leaves_by_second_port(site, entry, packet.direction) {
        return;
    }
    let Some(state) = entry.points.get(site.point.index()) else {
        return;
    };
    let cell = packet.direction.of(&state.armed);
    let held = Armed { word: cell.load() };
    if held.probe() == packet.timing.probe && held.word != 0 {
        return;
    }
    let takes_over = holds(held.probe(), packet.timing.probe, rate) == 0;
    if held.is_armed() && !takes_over && is_young(packet, held) {
        return;
    }
    let now = scene.tables.monotonic().ticks();
    let age = now.since(held.since()).0;
    if held.is_armed() && age < holds(held.probe(), packet.timing.probe, rate) {
        return;
    }
    if held.is_armed() && age >= STALE {
        sample::stale(&scene);
    }
    // Ticks of 0 mean answered; any other change of the time could put it behind its answer's.
    let ticks = if now.0 == 0 { 1 } else { now.0 };
    cell.replace(
        held.word,
        (u64::from(packet.timing.probe) << 32) | u64::from(ticks),
    );
}

/// Without the clock: true if so few ticks of the sender's `TSval` clock (1 ms on Linux; RFC 7323,
/// section 5.4: 1 ms to 1 s) lie between a segment and the armed one that it cannot be stale. Echo
/// tokens are no clock.
#[inline(always)]
fn is_young(packet: &Packet, held: Armed) -> bool {
    packet.timing.kind == TimingKind::TcpStamped
        && packet.timing.probe.wrapping_sub(held.probe()) < YOUNG
}

/// For how long the held probe stays armed against a new one, ticks.
#[inline(always)]
const fn holds(held: u32, new: u32, rate: u8) -> u32 {
    match (is_selected(held, rate), is_selected(new, rate)) {
        (false, true) => 0,
        (true, false) => SELECTED_HOLDS,
        (true, true) | (false, false) => STALE,
    }
}

/// Disarms this point if the packet answers its probe, and takes the sample.
#[inline(always)]
fn answer<T: Tables>(
    scene: Scene<'_, T>,
    site: Site,
    entry: &Biflow<T::W32, T::W64>,
    assignment: Assignment,
) {
    let Some(state) = entry.points.get(site.point.index()) else {
        return;
    };
    let cell = scene.packet.direction.reverse().of(&state.armed);
    let held = Armed { word: cell.load() };
    let timing = &scene.packet.timing;
    // An answer without timestamps, as a reset has none, does not say which probe it means: it ends
    // the one that is held, without a sample.
    let ahead = if timing.kind == TimingKind::TcpPlain {
        1
    } else {
        timing.answer.wrapping_sub(held.probe())
    };
    // Ids of DNS have no order: the answer to another query ends nothing.
    if timing.kind == TimingKind::DnsAnswer && ahead != 0 {
        return;
    }
    if !held.is_armed() || ahead > u32::MAX / 2 || !answers_here(scene, site, entry) {
        return;
    }
    if cell.replace(held.word, u64::from(held.probe()) << 32) && ahead == 0 {
        sample::take_sample(&scene, site, held, assignment.word());
    }
}

/// Port: a packet of this flow direction between two pods of one node was armed where it entered. The
/// direction is the flow's, as a later fragment does not know it: of equal addresses the ports order it.
#[inline(always)]
pub(super) fn leaves_by_second_port<W32: Cell32, W64>(
    site: Site,
    entry: &Biflow<W32, W64>,
    direction: FlowDirection,
) -> bool {
    site.point == Point::Port
        && site.hook == Hook::Egress
        && (is_announced(entry, entrance(site), direction) || entry::enters_elsewhere(entry))
}

/// Ports: data that entered at one is answered where the reply leaves again, data from elsewhere
/// where the reply enters. Other points are passed once by each direction.
#[inline(always)]
fn answers_here<T: Tables>(
    scene: Scene<'_, T>,
    site: Site,
    entry: &Biflow<T::W32, T::W64>,
) -> bool {
    if site.point != Point::Port {
        return true;
    }
    let data_entered = is_announced(entry, entrance(site), scene.packet.direction.reverse());
    data_entered == (site.hook == Hook::Egress)
}
