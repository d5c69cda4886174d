//! What the observer holds after some frames, in a form in which host and kernel can be compared:
//! times are left out, of a round trip only its presence is kept.

use std::collections::BTreeMap;
use std::fmt::Write;

use observer::host::HostObserver;
use observer_ebpf::abi::announced::AnnouncedKey;
use observer_ebpf::abi::biflow::BiflowRecord;
use observer_ebpf::abi::counter::Loss;
use observer_ebpf::abi::event::{Event, EventKind};
use observer_ebpf::abi::fragment::{FirstFragment, FragmentKey};
use observer_ebpf::abi::key::FlowKey;
use observer_ebpf::abi::outer::{OuterFlowRecord, OuterKey};
use observer_ebpf::abi::point::Hook;
use observer_ebpf::abi::row::{FragmentRow, RttRow, TrafficRecord};
use observer_ebpf::parse::{Malformed, NotOurs};
use observer_ebpf::units::{Monotonic, Ticks};
use zerocopy::IntoBytes;

/// Everything that a test may ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) counters: BTreeMap<&'static str, u64>,
    pub(crate) biflows: BTreeMap<Vec<u8>, Flow>,
    pub(crate) outer_flows: BTreeMap<Vec<u8>, OuterSums>,
    /// By sender, announced MTU, path and direction: packets.
    pub(crate) announced: BTreeMap<Vec<u8>, u64>,
    /// By row: buffers, bytes, segments, predicted bytes.
    pub(crate) traffic: BTreeMap<u32, [u64; 4]>,
    /// By row: samples.
    pub(crate) samples: BTreeMap<u32, u32>,
    /// By row: inner, first outer.
    pub(crate) fragments: BTreeMap<u32, [u64; 2]>,
    /// What first fragments said, by what they said it of.
    pub(crate) firsts: BTreeMap<Vec<u8>, Vec<u8>>,
    /// By hook: WireGuard bytes predicted for what crosses the tunnel.
    pub(crate) tunnel: [u64; 2],
    pub(crate) events: Vec<Event>,
}

/// A biflow without times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Flow {
    pub(crate) assignment: u32,
    pub(crate) pairs_version: u32,
    pub(crate) last_seen: u32,
    pub(crate) announced: u32,
    /// Per direction: current, previous.
    pub(crate) trajectory: [[u64; 2]; 2],
    pub(crate) fresh: [u64; 2],
    /// Per direction: highest ACK, retransmitted, largest, options.
    pub(crate) tcp: [[u32; 4]; 2],
    /// Per point and direction: probe, and whether it waits for its answer.
    pub(crate) armed: [[(u32, bool); 2]; 8],
    pub(crate) outer: [[u32; 2]; 8],
}

/// An outer flow without times: last seen, packets, bytes, fragments, path.
pub(crate) type OuterSums = [u64; 5];

impl State {
    /// (kind, session, marked, packets, bytes) of all outer flows, in order.
    pub(crate) fn outer_flow_sums(&self) -> Vec<(u8, u32, u8, u64, u64)> {
        let flows = self.outer_flows.iter();
        let mut flows: Vec<_> = flows
            .map(|(key, sums)| {
                let session = u32::from_ne_bytes(key[32..36].try_into().expect("four bytes"));
                (key[38], session, key[39], sums[1], sums[2])
            })
            .collect();
        flows.sort_unstable();
        flows
    }

    pub(crate) fn add_counter(&mut self, index: usize, value: u64) {
        let names = Loss::ALL.iter().map(|(_, name)| *name);
        let names = names.chain(NotOurs::ALL.iter().map(|(_, name)| *name));
        let mut names = names.chain(Malformed::ALL.iter().map(|(_, name)| *name));
        if value != 0 {
            self.counters
                .insert(names.nth(index).expect("a counter"), value);
        }
    }

    pub(crate) fn add_biflow(&mut self, key: &FlowKey, entry: &BiflowRecord) {
        let flow = Flow {
            assignment: entry.assignment,
            pairs_version: entry.pairs_version,
            last_seen: entry.last_seen,
            announced: entry.announced,
            trajectory: entry
                .trajectory
                .each_ref()
                .map(|marks| [marks.current, marks.previous]),
            fresh: entry.fresh,
            tcp: entry
                .tcp
                .each_ref()
                .map(|tcp| [tcp.highest_ack, tcp.retransmitted, tcp.largest, tcp.options]),
            armed: entry.points.each_ref().map(|state| {
                state.armed.map(|word| {
                    let probe = u32::try_from(word >> 32).expect("half a word");
                    (probe, word & u64::from(u32::MAX) != 0)
                })
            }),
            outer: entry.points.each_ref().map(|state| state.outer),
        };
        self.biflows.insert(key.as_bytes().to_vec(), flow);
    }

    pub(crate) fn add_outer_flow(&mut self, key: &OuterKey, flow: &OuterFlowRecord) {
        assert_ne!(flow.first_seen, 0, "an outer flow knows when it began");
        let sums = [
            flow.last_seen,
            flow.packets,
            flow.bytes,
            flow.fragments,
            flow.path,
        ];
        self.outer_flows.insert(key.as_bytes().to_vec(), sums);
    }

    pub(crate) fn add_announced(&mut self, key: &AnnouncedKey, packets: u64) {
        self.announced.insert(key.as_bytes().to_vec(), packets);
    }

    pub(crate) fn add_traffic(&mut self, row: u32, traffic: &TrafficRecord) {
        if traffic.segments != 0 {
            let counted = [
                traffic.buffers,
                traffic.bytes,
                traffic.segments,
                traffic.wireguard_bytes,
            ];
            let sums = self.traffic.entry(row).or_default();
            for (sum, counted) in sums.iter_mut().zip(counted) {
                *sum += counted;
            }
        }
    }

    pub(crate) fn add_rtt(&mut self, row: u32, histogram: &RttRow<u32>) {
        let samples = histogram.buckets.iter().sum();
        if samples != 0 {
            self.samples.insert(row, samples);
        }
    }

    pub(crate) fn add_fragments(&mut self, row: u32, fragments: &FragmentRow<u64>) {
        let counts = [fragments.inner, fragments.first_outer];
        if counts != [0, 0] {
            self.fragments.insert(row, counts);
        }
    }

    pub(crate) fn add_first_fragment(&mut self, key: &FragmentKey, first: FirstFragment) {
        let (key, first) = (key.as_bytes().to_vec(), first.as_bytes().to_vec());
        self.firsts.insert(key, first);
    }

    pub(crate) fn add_event(&mut self, event: &Event) {
        assert_ne!(event.time, Monotonic(0), "an event knows its time");
        let rtt = Ticks(u32::from(event.rtt.0 != 0));
        // The host has no device numbers.
        let is_frame = event.kind == EventKind::Refused as u8;
        let sequence = if is_frame { 0 } else { event.sequence };
        self.events.push(Event {
            time: Monotonic(0),
            rtt,
            sequence,
            ..*event
        });
    }

    /// The host's state; takes its events.
    pub(crate) fn of_host(host: &HostObserver) -> Self {
        let mut state = Self::default();
        for (index, value) in host.counters().into_iter().enumerate() {
            state.add_counter(index, value);
        }
        host.biflows()
            .for_each(|(key, entry)| state.add_biflow(&key, &entry));
        host.outer_flows()
            .for_each(|(key, flow)| state.add_outer_flow(&key, &flow));
        host.announced()
            .for_each(|(key, packets)| state.add_announced(&key, packets));
        host.traffic()
            .for_each(|(row, traffic)| state.add_traffic(row, &traffic));
        host.rtt()
            .for_each(|(row, histogram)| state.add_rtt(row, &histogram));
        host.fragments()
            .for_each(|(row, fragments)| state.add_fragments(row, &fragments));
        host.first_fragments()
            .iter()
            .for_each(|(key, first)| state.add_first_fragment(key, *first));
        state.tunnel = Hook::ALL.map(|hook| host.tunnel(hook));
        host.take_events()
            .iter()
            .for_each(|event| state.add_event(event));
        state
    }

    /// One counter by its name in the ledger.
    pub(crate) fn counter(&self, name: &str) -> u64 {
        self.counters.get(name).copied().unwrap_or(0)
    }

    /// What differs, one line each; empty if nothing does.
    pub(crate) fn differences(kernel: &Self, host: &Self) -> String {
        let mut text = String::new();
        let mut part =
            |name: &str, kernel: &dyn std::fmt::Debug, host: &dyn std::fmt::Debug, equal: bool| {
                if !equal {
                    writeln!(text, "{name}:\n  kernel {kernel:?}\n  host   {host:?}")
                        .expect("text");
                }
            };
        part(
            "counters",
            &kernel.counters,
            &host.counters,
            kernel.counters == host.counters,
        );
        part(
            "biflows",
            &kernel.biflows,
            &host.biflows,
            kernel.biflows == host.biflows,
        );
        part(
            "outer flows",
            &kernel.outer_flows,
            &host.outer_flows,
            kernel.outer_flows == host.outer_flows,
        );
        part(
            "announced",
            &kernel.announced,
            &host.announced,
            kernel.announced == host.announced,
        );
        part(
            "traffic",
            &kernel.traffic,
            &host.traffic,
            kernel.traffic == host.traffic,
        );
        part(
            "samples",
            &kernel.samples,
            &host.samples,
            kernel.samples == host.samples,
        );
        part(
            "fragments",
            &kernel.fragments,
            &host.fragments,
            kernel.fragments == host.fragments,
        );
        part(
            "first fragments",
            &kernel.firsts,
            &host.firsts,
            kernel.firsts == host.firsts,
        );
        part(
            "tunnel",
            &kernel.tunnel,
            &host.tunnel,
            kernel.tunnel == host.tunnel,
        );
        part(
            "events",
            &kernel.events,
            &host.events,
            kernel.events == host.events,
        );
        text
    }
}
