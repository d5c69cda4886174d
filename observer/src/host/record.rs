//! Copies of cells as the plain records that the agent reads from the kernel's maps.

use std::cell::Cell;

use observer_ebpf::abi::biflow::{Biflow, BiflowRecord, PointState, Tcp, Trajectory};
use observer_ebpf::abi::outer::{OuterFlow, OuterFlowRecord};
use observer_ebpf::abi::row::{FragmentRow, RttRow, TrafficRecord, TrafficRow};

pub(super) fn biflow(entry: &Biflow<Cell<u32>, Cell<u64>>) -> BiflowRecord {
    Biflow {
        assignment: entry.assignment.get(),
        pairs_version: entry.pairs_version.get(),
        last_seen: entry.last_seen.get(),
        announced: entry.announced.get(),
        trajectory: entry.trajectory.each_ref().map(|marks| Trajectory {
            current: marks.current.get(),
            previous: marks.previous.get(),
        }),
        fresh: entry.fresh.each_ref().map(Cell::get),
        tcp: entry.tcp.each_ref().map(|tcp| Tcp {
            highest_ack: tcp.highest_ack.get(),
            retransmitted: tcp.retransmitted.get(),
            largest: tcp.largest.get(),
            options: tcp.options.get(),
        }),
        points: entry.points.each_ref().map(|state| PointState {
            armed: state.armed.each_ref().map(Cell::get),
            outer: state.outer.each_ref().map(Cell::get),
        }),
        reserved: entry.reserved.get(),
    }
}

pub(super) fn outer_flow(flow: &OuterFlow<Cell<u64>>) -> OuterFlowRecord {
    OuterFlow {
        first_seen: flow.first_seen.get(),
        last_seen: flow.last_seen.get(),
        packets: flow.packets.get(),
        bytes: flow.bytes.get(),
        fragments: flow.fragments.get(),
        path: flow.path.get(),
    }
}

pub(super) fn traffic(row: &TrafficRow<Cell<u64>>) -> TrafficRecord {
    TrafficRow {
        buffers: row.buffers.get(),
        bytes: row.bytes.get(),
        segments: row.segments.get(),
        wireguard_bytes: row.wireguard_bytes.get(),
    }
}

pub(super) fn rtt(row: &RttRow<Cell<u32>>) -> RttRow<u32> {
    RttRow {
        buckets: row.buckets.each_ref().map(Cell::get),
    }
}

pub(super) fn fragments(row: &FragmentRow<Cell<u64>>) -> FragmentRow<u64> {
    FragmentRow {
        inner: row.inner.get(),
        first_outer: row.first_outer.get(),
    }
}
