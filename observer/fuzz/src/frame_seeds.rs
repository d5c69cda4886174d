//! The corpus of target `frame`: every named fixture at every site that it may be seen at, composed
//! frames, and talks that fill, exhaust and time what a frame alone cannot.

use observer_ebpf::abi::point::{Hook, Point, Site};
use observer_ebpf::fixtures::layers::{self, IPV4, TCP, Tcp, ethernet};
use observer_ebpf::fixtures::{self, BYPASS_MARK, NODE_A, NODE_B, POD_A, POD_B};

use crate::case::{Setting, Shown, Switch, write};
use crate::composer::Composer;

/// Composed sequences, and frames of each.
const COMPOSED: (usize, usize) = (256, 3);
/// Sites of one sequence.
const SITES: usize = 2;
/// Bytes that a capture keeps of a frame.
const SNAP: usize = 96;
/// Bytes of a merged buffer that are not captured.
const HIDDEN: u16 = 4_000;
/// A pause behind which an armed packet is stale: 5 s.
const LONG: u16 = 1_200;

/// Named inputs.
pub(crate) fn seeds(seed: u64) -> Vec<(String, Vec<u8>)> {
    let settings = settings();
    let mut seeds = Vec::new();
    for (number, fixture) in fixtures::all().iter().enumerate() {
        let sites = fixture.place.sites();
        for (part, sites) in sites.chunks(SITES).enumerate() {
            let shown = sites.iter().map(|&site| Shown {
                gso_size: u16::try_from(fixture.gso_size).unwrap_or(u16::MAX),
                mark: mark(fixture.mark),
                ..Shown::at(site, &fixture.bytes)
            });
            let shown: Vec<_> = shown.collect();
            let setting = settings[(number + 2 * part) % settings.len()];
            seeds.push((format!("{}-{part}", fixture.name), write(setting, &shown)));
        }
        if let (1.., Some(&site)) = (fixture.gso_size, sites.last()) {
            let longer = Shown {
                gso_size: u16::try_from(fixture.gso_size).unwrap_or(u16::MAX),
                hidden: HIDDEN,
                ..Shown::at(site, &fixture.bytes)
            };
            seeds.push((
                format!("{}-longer", fixture.name),
                write(settings[1], &[longer]),
            ));
        }
        let (kept, rest) = fixture.bytes.split_at(fixture.bytes.len().min(SNAP));
        if let (1.., Some(&site)) = (rest.len(), sites.last()) {
            let head = Shown {
                hidden: u16::try_from(rest.len()).unwrap_or(u16::MAX),
                ..Shown::at(site, kept)
            };
            seeds.push((
                format!("{}-head", fixture.name),
                write(settings[1], &[head]),
            ));
        }
    }
    seeds.extend(composed(seed, &settings));
    seeds.extend(talks());
    seeds
}

/// An observer in every state that its settings can bring about.
fn settings() -> Vec<Setting> {
    let none = Setting::default();
    let known = none.with(Switch::Pairs).with(Switch::Nodes);
    vec![
        none,
        known.with(Switch::Relays).with(Switch::PortsAttached),
        known
            .with(Switch::ProvisionalPairs)
            .with(Switch::Translations),
        none.with(Switch::NoNetworks).with(Switch::Relays),
        none.with(Switch::PathsFull),
        Setting {
            small: 0x1f,
            ..none
        },
        Setting {
            small: 0x1f | Setting::NOTHING,
            ..none
        },
        Setting {
            rooms: 0x15,
            ..none
        },
        Setting {
            rooms: 0x2a,
            ..known
        },
    ]
}

const fn mark(mark: u32) -> u8 {
    mark.to_le_bytes()[2]
}

fn composed(seed: u64, settings: &[Setting]) -> Vec<(String, Vec<u8>)> {
    let mut composer = Composer::new(seed);
    let sequence = |number: usize| {
        let frames: Vec<_> = (0..COMPOSED.1).map(|_| composer.frame()).collect();
        let shown = frames.iter().map(|frame| Shown {
            gso_size: u16::try_from(frame.gso_size).unwrap_or(u16::MAX),
            ..Shown::at(frame.site, &frame.bytes)
        });
        let shown: Vec<_> = shown.collect();
        let setting = settings[number % settings.len()];
        (format!("composed-{number}"), write(setting, &shown))
    };
    (0..COMPOSED.0).map(sequence).collect()
}

/// Segments of two pods, to and fro.
fn talks() -> Vec<(String, Vec<u8>)> {
    let pods = Ends {
        ends: (POD_A, POD_B),
        far: 8_080,
    };
    let (data, reply) = (pods.segment(true, (7, 1)), pods.segment(false, (9, 7)));
    let late = pods.segment(true, (5_000, 1));
    let at = |point, hook| Site { point, hook };
    let (enters, leaves) = (
        at(Point::Bridge, Hook::Ingress),
        at(Point::Bridge, Hook::Egress),
    );
    let (port_in, port_out) = (
        at(Point::Port, Hook::Ingress),
        at(Point::Port, Hook::Egress),
    );
    let answered = [Shown::at(enters, &data), after(3, leaves, &reply)];
    let none = Setting::default();
    let named =
        |name: &str, setting, frames: &[Shown<'_>]| (name.to_owned(), write(setting, frames));
    let messages = Setting {
        small: 0x10,
        ..none
    };
    let node = Ends {
        ends: (NODE_A, NODE_B),
        far: 443,
    };
    let relayed = node.segment(true, (7, 1));
    let underlay = at(Point::Underlay0, Hook::Egress);
    let marked = Shown {
        mark: mark(BYPASS_MARK),
        ..Shown::at(underlay, &relayed)
    };
    vec![
        named("talk-answered", none, &answered),
        named(
            "talk-round_trip_budget",
            Setting {
                small: 0x84,
                ..none
            },
            &answered,
        ),
        named(
            "talk-round_trip_ring_full",
            Setting {
                rooms: 0x20,
                ..none
            },
            &answered,
        ),
        named(
            "talk-stale",
            none,
            &[Shown::at(enters, &data), after(LONG, enters, &late)],
        ),
        named(
            "talk-late_answer",
            none,
            &[Shown::at(enters, &data), after(LONG, leaves, &reply)],
        ),
        named(
            "talk-retransmitted",
            none.with(Switch::PortsAttached),
            &[Shown::at(port_in, &late), Shown::at(port_in, &data)],
        ),
        named(
            "talk-two_ports",
            none.with(Switch::PortsAttached),
            &[
                Shown::at(port_in, &data),
                Shown::at(port_out, &data),
                Shown::at(port_in, &reply),
                Shown::at(port_out, &reply),
            ],
        ),
        named("message_budget", messages, &[Shown::at(enters, &[0; 3]); 3]),
        named(
            "pairs_change",
            none.with(Switch::Pairs).with(Switch::ProvisionalPairs),
            &[
                Shown::at(enters, &data),
                Shown {
                    is_read: true,
                    ..Shown::at(enters, &data)
                },
                Shown {
                    opens_epoch: true,
                    ..Shown::at(enters, &data)
                },
            ],
        ),
        named("relay_tcp", none.with(Switch::Relays), &[marked]),
        named("marked_tcp", none, &[marked]),
    ]
}

fn after(pause: u16, site: Site, bytes: &[u8]) -> Shown<'_> {
    Shown {
        pause,
        ..Shown::at(site, bytes)
    }
}

/// Two addresses, the second one's port being `far`.
struct Ends {
    ends: ([u8; 4], [u8; 4]),
    far: u16,
}

impl Ends {
    /// A stamped segment with payload, there or back.
    fn segment(&self, is_forth: bool, (value, echo): (u32, u32)) -> Vec<u8> {
        let options = layers::stamped(value, echo);
        let (near, (source, destination)) = (40_000, self.ends);
        let tcp = Tcp {
            source: if is_forth { near } else { self.far },
            destination: if is_forth { self.far } else { near },
            sequence: 1_000 + value,
            options: &options,
            ..Tcp::default()
        };
        let (from, to) = if is_forth {
            (source, destination)
        } else {
            (destination, source)
        };
        ethernet(
            IPV4,
            &layers::Ipv4::new(from, to, TCP).around(&tcp.around(&[7; 40])),
        )
    }
}
