//! The account of a sequence: every frame is counted on one row or refused for one reason, never
//! both, never neither, and all that is counted beside it fits to it.

use observer::host::HostObserver;
use observer_ebpf::abi::biflow::{Assignment, announced_bit};
use observer_ebpf::abi::counter::{COUNTERS, Counter, LOSSES, Loss};
use observer_ebpf::abi::fragment::FragmentKey;
use observer_ebpf::abi::key::FlowKey;
use observer_ebpf::abi::point::{FlowDirection, Hook, POINTS, Point, Site};
use observer_ebpf::parse::{Fragment, Packet, Rejected};
use observer_ebpf::step::{Frame, size};

/// What frames must have left, by what the parser says of them.
#[derive(Debug, Default)]
pub(crate) struct Account {
    frames: u64,
    refused: Vec<Counter>,
    too_deep: u64,
    cut: u64,
    /// Datagrams behind the first ones of merged buffers.
    further: u64,
    points: [Traffic; POINTS],
    inner_fragments: u64,
    outer_fragments: u64,
    segments: u64,
    tunnelled: u64,
}

/// What was counted at a point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Traffic {
    buffers: u64,
    segments: u64,
    bytes: u64,
    /// The last datagram of a merged buffer may hold no whole header: its bytes are not foretold.
    has_merged: bool,
}

impl Account {
    /// Takes a frame that `host` was shown.
    pub(crate) fn add(
        &mut self,
        host: &HostObserver,
        site: Site,
        frame: Frame,
        parsed: &Result<Packet, Rejected>,
    ) {
        self.frames += 1;
        match parsed {
            Ok(packet) => self.add_packet(host, site, frame, packet),
            Err(reason) => self.refused.push((*reason).into()),
        }
    }

    fn add_packet(&mut self, host: &HostObserver, site: Site, frame: Frame, packet: &Packet) {
        let size = size(packet, frame);
        let is_sound = size.segments >= 1 && size.further < size.segments;
        assert!(is_sound, "a size is in order: {size:?}");
        self.too_deep += u64::from(packet.too_deep);
        self.cut += u64::from(packet.missing != 0);
        self.segments += size.segments;
        if site.point == Point::Tunnel {
            self.tunnelled += size.segments;
        }
        if counted_where_it_entered(host, site, packet) {
            return;
        }
        self.further += size.further;
        self.inner_fragments += u64::from(packet.fragment != Fragment::None);
        let outer = packet.around().map(|outer| outer.fragment);
        self.outer_fragments += u64::from(outer == Some(Fragment::First));
        let traffic = &mut self.points[site.point.index()];
        traffic.buffers += 1;
        traffic.segments += size.segments;
        traffic.has_merged |= size.further > 0;
        traffic.bytes += size.bytes;
    }

    /// Panics unless `host` holds what it must.
    pub(crate) fn check(&self, host: &HostObserver) {
        self.is_counted(host);
        self.is_in_the_ledger(host);
        let inner: u64 = host.fragments().map(|(_, row)| row.inner).sum();
        let all = self.inner_fragments..=self.inner_fragments + self.further;
        assert!(all.contains(&inner), "inner fragments count once: {inner}");
        let outer: u64 = host.fragments().map(|(_, row)| row.first_outer).sum();
        assert_eq!(self.outer_fragments, outer, "outer fragments count once");
        let tunnel: u64 = Hook::ALL.map(|hook| host.tunnel(hook)).iter().sum();
        assert!(
            tunnel >= 32 * self.tunnelled,
            "32 bytes are around each message"
        );
        let is_used = self.tunnelled > 0 || tunnel == 0;
        assert!(is_used, "the tunnel alone has messages");
        let carried: u64 = host.outer_flows().map(|(_, flow)| flow.packets).sum();
        assert!(
            carried <= self.segments,
            "outer flows have no more than all packets"
        );
    }

    fn is_counted(&self, host: &HostObserver) {
        let mut points = [(0, 0, 0); POINTS];
        for (row, record) in host.traffic() {
            let (buffers, segments, bytes) = &mut points[(row >> 1) as usize % POINTS];
            *buffers += record.buffers;
            *segments += record.segments;
            *bytes += record.bytes;
        }
        for (point, (wanted, seen)) in self.points.iter().zip(points).enumerate() {
            let (buffers, segments, bytes) = seen;
            assert_eq!(
                wanted.buffers, buffers,
                "a buffer counts once: point {point}"
            );
            assert_eq!(
                wanted.segments, segments,
                "every segment counts once: point {point}"
            );
            if !wanted.has_merged {
                assert_eq!(wanted.bytes, bytes, "every byte counts once: point {point}");
            }
        }
    }

    fn is_in_the_ledger(&self, host: &HostObserver) {
        let counted = |loss: Loss| host.counter(loss.into());
        assert_eq!(self.frames, counted(Loss::Frames), "a frame counts once");
        let mut refused = [0; COUNTERS as usize];
        for reason in &self.refused {
            refused[reason.index() as usize] += 1;
        }
        let first = LOSSES as usize;
        assert_eq!(
            refused[first..],
            host.counters()[first..],
            "a refused frame counts once"
        );
        assert_eq!(
            self.too_deep,
            counted(Loss::TooDeep),
            "too deep counts once"
        );
        assert_eq!(
            self.cut,
            counted(Loss::CaptureShort),
            "what the capture cuts counts once"
        );
        let hidden = counted(Loss::DatagramsHidden);
        assert!(
            hidden <= self.further,
            "hidden datagrams are further ones: {hidden}"
        );
        let made = host.biflows().count() as u64;
        assert_eq!(
            made,
            counted(Loss::Inserted),
            "an entry that is made counts once"
        );
        let timed: u64 = host
            .rtt()
            .flat_map(|(_, row)| row.buckets)
            .map(u64::from)
            .sum();
        assert_eq!(timed, counted(Loss::Samples), "a sample counts once");
    }
}

/// Of a packet between two ports the one that it leaves by counts nothing.
fn counted_where_it_entered(host: &HostObserver, site: Site, packet: &Packet) -> bool {
    if site.point != Point::Port || site.hook != Hook::Egress {
        return false;
    }
    let entrance = Site {
        hook: Hook::Ingress,
        ..site
    };
    let (key, direction) = match packet.fragment {
        Fragment::None | Fragment::First => (packet.key, packet.direction),
        Fragment::Later => match first_fragment(host, packet) {
            Some(flow) => flow,
            None => return false,
        },
    };
    let mut entries = host.biflows();
    let entry = entries.find(|(of, _)| *of == key);
    entry.is_some_and(|(_, entry)| {
        let flags = Assignment::from_word(entry.assignment).flags;
        entry.announced & 1 << announced_bit(entrance, direction) != 0
            || flags & Assignment::ENTERS_ELSEWHERE != 0
    })
}

/// The flow of a later fragment, as its first one said.
fn first_fragment(host: &HostObserver, packet: &Packet) -> Option<(FlowKey, FlowDirection)> {
    let key = FragmentKey::of(&packet.key, packet.direction, packet.identification);
    let kept = host.first_fragments();
    let (_, first) = kept.iter().find(|(of, _)| *of == key)?;
    Some(first.flow(&key))
}
