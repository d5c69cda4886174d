//! One node's frames, twice: first to learn who talks, so that every pair counts from its first
//! packet on, then to count, sweep by sweep of the capture's own time.

use std::collections::BTreeSet;
use std::net::IpAddr;

use observer_ebpf::abi::control::Control;
use observer_ebpf::abi::key::Address;
use observer_ebpf::abi::point::Point;
use observer_ebpf::units::Monotonic;

use super::exemplars::Exemplars;
use super::learn::{Learner, Learnt};
use super::place::{Places, Unplaced};
use super::regions::{peer_relay, region};
use super::sweeps::{Fixed, Sweeps, count, key};
use super::{ReplayError, Told, roads, told};
use crate::config::{Config, Network, Overrides};
use crate::export::span::{self, ClockOffset};
use crate::host::{HostObserver, Seen, Sizes};
use crate::interfaces::{Device as Interface, Roles, WantedUnderlays, assign};
use crate::path::{Device, Devices};
use crate::record::{Bundle, Merge, Stop};
use crate::routing::{MAIN_TABLE, node_addresses};

/// Room for what an incident shows; about 60 MB when full.
const SIZES: Sizes = Sizes {
    biflows: 131_072,
    outer_flows: 16_384,
    events: 4_096,
};
/// Length of a jiffy, nanoseconds: 250 a second.
const JIFFY: u64 = 4_000_000;
/// The most sweeps of one capture.
const SWEEPS: u64 = 1_000;
/// Nanoseconds from sweep to sweep. A capture is short, and how tailscaled carries a path is said after
/// several sweeps.
const INTERVAL: u64 = 500_000_000;
/// Time of the first frame since boot, nanoseconds.
const START: u64 = 1_000_000_000;

/// By what a clock is set back at least, nanoseconds: processors write their frames in turns of less.
const STEP: u64 = 10_000_000;

/// Reports, spans and ledger of one node.
pub(super) fn observe(bundle: &Bundle, stop: &Stop) -> Result<Told, ReplayError> {
    let config = Config::read(
        None,
        Overrides {
            node: Some(bundle.node.clone()),
            cluster_cidr: bundle.cluster_cidr.clone(),
            ..Overrides::default()
        },
    )?;
    let devices: Vec<_> = bundle
        .links
        .iter()
        .map(|link| link.device.clone())
        .collect();
    let lower = devices.iter().filter_map(|device| device.vxlan()?.lower);
    let wanted = WantedUnderlays {
        routed: lower.collect(),
        default_routes: roads::default_devices(&bundle.routes).collect(),
    };
    let roles = assign(&devices, &config.interfaces, &wanted, &Roles::default());
    let node = Node {
        places: Places::new(&bundle.links, &roles),
        points: points(&roles, &devices),
        has_ports: roles.at(Point::Port).next().is_some(),
        told: told(bundle),
        bundle,
        config,
        devices,
        stop,
    };
    let (learnt, end) = node.learn()?;
    let told = node.count(&learnt, interval(end - START))?;
    if !told.paths.iter().any(|path| path.source.address.is_some()) {
        let Config {
            networks, services, ..
        } = &node.config;
        let pods = networks
            .iter()
            .filter(|network| !services.contains(network));
        let pods: Vec<_> = pods.map(Network::to_string).collect();
        tracing::warn!(
            "{:?}: no packets between pods in {}; `cluster_cidr` of bundle.json names the networks of \
             all pods",
            bundle.node,
            pods.join(",")
        );
    }
    Ok(told)
}

fn told(bundle: &Bundle) -> BTreeSet<IpAddr> {
    let endpoints = bundle.tailscale.endpoints();
    endpoints.filter(|_| !bundle.has_marks).collect()
}

struct Node<'a> {
    stop: &'a Stop,
    bundle: &'a Bundle,
    config: Config,
    devices: Vec<Interface>,
    points: Devices,
    places: Places<'a>,
    has_ports: bool,
    /// Where tailscaled sends its datagrams, if the captures do not show which are its own.
    told: BTreeSet<IpAddr>,
}

/// Frames that the step was not shown; of those that it was, the time of the last one, and of the first
/// by the wall clock, nanoseconds.
#[derive(Default)]
struct Passed {
    no_point: u64,
    no_direction: u64,
    /// Times that the clock was set back, by [`STEP`] or more.
    set_back: u64,
    end: u64,
    first: u64,
}

impl Node<'_> {
    /// Who talks, and the time of the last frame.
    fn learn(&self) -> Result<(Learnt, u64), ReplayError> {
        let mut host = self.host();
        let mut learner = Learner::new(&self.config);
        let passed = self.each(&mut host, |host, now| {
            learner.take(host.take_events(), now);
        })?;
        Ok((learner.finish(), passed.end))
    }

    fn count(&self, learnt: &Learnt, interval: u64) -> Result<Told, ReplayError> {
        let mut host = self.host();
        let paths = &learnt.paths;
        let fixed = Fixed {
            bundle: self.bundle,
            devices: &self.devices,
            points: &self.points,
            rules: &self.config.underlay,
            told: &self.told,
            paths,
        };
        let mut sweeps = Sweeps::new(learnt.tell(&mut host));
        let mut exemplars = Exemplars::default();
        let mut end = START.saturating_add(interval);
        let passed = self.each(&mut host, |host, now| {
            exemplars.take(host.take_events(), now);
            if now >= end {
                sweeps.sweep(fixed, host);
                end = now.saturating_add(interval);
            }
        })?;
        let mut reports = sweeps.sweep(fixed, &mut host);
        let tailscale = &self.bundle.tailscale;
        for report in &mut reports {
            if !self.bundle.has_marks {
                told::complete(report, tailscale, &self.config.networks);
            }
            report.derp_region = region(report, &sweeps.relay, tailscale);
            report.peer_relay = peer_relay(report, &sweeps.relay, tailscale);
        }
        let joined = exemplars.counts();
        let mut ledger = sweeps.snapshot.ledger;
        let lost = &self.bundle.lost;
        let not_read = &self.bundle.routes.not_read;
        for (name, count) in [
            ("not_captured.no_room", lost.no_room),
            ("not_captured.not_described", lost.not_described),
            ("not_captured.beyond_size", lost.beyond_size),
            ("not_captured.no_reader", lost.no_reader),
            ("not_read.rules", not_read.rules),
            ("not_read.routes", not_read.routes),
            ("not_replayed.no_point", passed.no_point),
            ("not_replayed.no_direction", passed.no_direction),
            ("clock.set_back", passed.set_back),
            ("ambiguous", joined.ambiguous),
            ("unmatched", joined.unmatched),
            ("outer_fragments.later", sweeps.snapshot.outer.fragments()),
            ("unattributed.paths_full", paths.refused()),
            ("translation.ambiguous", learnt.counts.ambiguous),
            ("translation.unmatched", learnt.counts.unmatched),
        ] {
            ledger.insert(name.to_owned(), count);
        }
        let clock = ClockOffset::new(passed.first, START);
        let spans = exemplars.finish().flat_map(|trip| {
            let path = span::path_of(&reports, &trip);
            let context = span::Context {
                node: &self.bundle.node,
                path,
                finding: None,
                interfaces: &self.points,
                other_end: span::other_end(&trip, path),
                clock,
            };
            span::spans(&trip, &context)
        });
        Ok(Told {
            spans: spans.collect(),
            paths: reports,
            ledger,
        })
    }

    /// Shows every frame to the step, and calls `then` behind each with its time.
    fn each(
        &self,
        host: &mut HostObserver,
        mut then: impl FnMut(&mut HostObserver, u64),
    ) -> Result<Passed, ReplayError> {
        let mut passed = Passed::default();
        let mut merge = Merge::open(&self.bundle.packets)?;
        let mut room = Vec::new();
        let (mut first, mut last, mut now) = (None, 0, START);
        while let Some(frame) = merge.take()? {
            if self.stop.is_set() {
                return Err(ReplayError::Stopped);
            }
            let placed = match self.places.of(&frame, &mut room) {
                Ok(placed) => placed,
                Err(Unplaced::NoPoint) => {
                    passed.no_point += 1;
                    continue;
                }
                Err(Unplaced::NoDirection) => {
                    passed.no_direction += 1;
                    continue;
                }
                Err(Unplaced::Short) => {
                    return Err(frame
                        .refuse("a frame shorter than its cooked header")
                        .into());
                }
                Err(Unplaced::NoDevice) => {
                    let why = format!(
                        "a frame of interface {:?}, which ip-link.json does not have; name the file \
                         <interface>.pcap",
                        frame.device()
                    );
                    return Err(frame.refuse(&why).into());
                }
                Err(Unplaced::NotSaid) => {
                    let why = "a LINUX_SLL frame does not say its device, and the file's name is none: \
                               capture with `tcpdump -i any -y LINUX_SLL2`, or device by device, as in \
                               `tcpdump -i cni0 -w cni0.pcap`";
                    return Err(frame.refuse(why).into());
                }
            };
            let first = *first.get_or_insert(frame.head.wall);
            // A capture's clock may have been set back; the step's never is.
            let time = START.saturating_add(frame.head.wall.saturating_sub(first));
            passed.set_back += u64::from(frame.head.wall.saturating_add(STEP) <= last);
            last = frame.head.wall;
            now = now.max(time);
            host.observe_frame(&Seen {
                site: placed.site,
                framing: placed.framing,
                bytes: placed.bytes,
                length: placed.length,
                gso_size: frame.head.beside.gso_size,
                mark: frame.head.beside.mark,
                time: Monotonic(now),
            });
            then(host, now);
        }
        passed.end = now;
        passed.first = first.unwrap_or(0);
        Ok(passed)
    }

    /// An observer with the node's settings; a capture is followed whole, without budgets.
    fn host(&self) -> HostObserver {
        let control = Control {
            limits: [u32::MAX, u32::MAX, u32::MAX, u32::MAX, 0],
            rate: 0,
            ports_attached: u8::from(self.has_ports),
            ..self.config.control(JIFFY)
        };
        let mut host = HostObserver::new(SIZES, control);
        let networks = &self.config.networks;
        host.networks = networks.iter().map(Network::key).collect();
        let is_pods = |address| networks.iter().any(|network| network.contains(address));
        let main = self.bundle.routes.tables.get(&MAIN_TABLE);
        let main = main.map_or(&[][..], Vec::as_slice);
        let nodes = node_addresses(&self.devices, main, is_pods).into_iter();
        // The overlay carries WireGuard between nodes alone.
        let told = self.told.iter().filter(|&&address| is_pods(address));
        let nodes = nodes.chain(told.copied());
        host.nodes = nodes.map(Address::from).collect();
        host.jiffy_nanos = JIFFY;
        let relays = self.bundle.tailscale.relays.keys();
        host.relays = relays.map(|&relay| key(relay)).collect();
        host.control.relays = count(&host.relays);
        host
    }
}

/// Nanoseconds between two sweeps of a capture that spans so many: more than usual where the times in a
/// file would make its replay endless.
fn interval(span: u64) -> u64 {
    INTERVAL.max(span / SWEEPS)
}

/// The devices at the points; ports are many and left out.
fn points(roles: &Roles, devices: &[Interface]) -> Devices {
    let places = roles.attachments.iter();
    let of = |place: &crate::interfaces::Attachment| {
        let device = devices
            .iter()
            .find(|device| device.ifindex == place.ifindex)?;
        (place.point != Point::Port).then(|| {
            let addresses = device.given_addresses();
            (
                place.point,
                Device::new(&device.name, device.mtu, addresses),
            )
        })
    };
    places.filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_capture_is_swept_more_than_a_thousand_times() {
        let seconds = |number: u64| number * 1_000_000_000;
        assert_eq!(interval(seconds(60)), INTERVAL);
        assert_eq!(interval(seconds(3_600)), 3_600_000_000);
        assert_eq!(interval(seconds(4_000_000_000)), seconds(4_000_000));
    }
}
