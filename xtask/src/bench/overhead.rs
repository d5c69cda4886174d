//! Ping-pong with programs on one device. Client and server share a processor, so that every added
//! nanosecond shows.

use super::exchange;
use super::row::Row;
use super::shares::Traffic;
use super::{Bench, BenchError};

const PING_PONG: Traffic = Traffic {
    rate: "ping_pong",
    time: "exchange",
    packets: 2,
    slices: 8,
    bar: 0.98,
    goal: 0.985,
    drive: |bench, time| exchange::drive(&bench.together(), time),
};

/// Rates without programs, and per round the share that is left with them.
pub(super) fn rows(bench: &Bench) -> Result<Vec<Row>, BenchError> {
    PING_PONG.rows(bench)
}
