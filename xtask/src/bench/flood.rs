//! A flood of small UDP datagrams with programs on one device. Sending and all that follows share a
//! processor, so that what a datagram costs decides how many are sent. Nobody reads them: the
//! receiver's socket is full after the first few.

use std::io;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

use super::row::Row;
use super::shares::Traffic;
use super::work::{Work, processor_time};
use super::{Bench, BenchError, machine};
use crate::traffic::Place;

const FLOOD: Traffic = Traffic {
    rate: "udp",
    time: "datagram",
    packets: 1,
    slices: 4,
    bar: 0.98,
    goal: 0.99,
    drive: |bench, time| drive(&bench.together(), time),
};

/// Bytes of payload.
const PAYLOAD: [u8; 64] = [b'u'; 64];
/// Datagrams between two looks at the clock.
const BATCH: u32 = 64;

/// The rate without programs, and per round the share that is left with them.
pub(super) fn rows(bench: &Bench) -> Result<Vec<Row>, BenchError> {
    FLOOD.rows(bench)
}

/// Sends for a time.
fn drive([client, server]: &[Place; 2], time: Duration) -> Result<Work, BenchError> {
    let failed = |place: &Place| {
        BenchError::io(format!(
            "send datagrams from {} in {}",
            place.address, place.netns
        ))
    };
    // A socket stays in the namespace in which it was made.
    let bound = |place: &Place| -> Result<UdpSocket, BenchError> {
        let bound = place.run(|| UdpSocket::bind((place.address, 0)))?;
        bound.map_err(failed(place))
    };
    let receiver = bound(server)?;
    let sender = bound(client)?;
    let sent = machine::preferred(|| client.run(|| send(&sender, &receiver, time)))?;
    sent.map_err(failed(client))
}

fn send(sender: &UdpSocket, receiver: &UdpSocket, time: Duration) -> io::Result<Work> {
    sender.connect(receiver.local_addr()?)?;
    for _ in 0..BATCH {
        sender.send(&PAYLOAD)?;
    }
    let (begun, before) = (Instant::now(), processor_time()?);
    let mut count = 0;
    while begun.elapsed() < time {
        for _ in 0..BATCH {
            sender.send(&PAYLOAD)?;
        }
        count += BATCH;
    }
    Ok(Work {
        count,
        time: begun.elapsed(),
        busy: processor_time()?.saturating_sub(before),
    })
}
