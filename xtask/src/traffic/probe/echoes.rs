//! Echo requests and datagrams that the server sends back: losses and round-trip times.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::failures::Failures;
use super::limit::Limit;
use crate::traffic::Summary;
use crate::traffic::icmp::Echo;

/// ICMP payload in bytes, as ping has it.
const PAYLOAD: usize = 56;
/// From one echo request to the next.
const PING_GAP: Duration = Duration::from_millis(250);
/// From one datagram to the next.
const DATAGRAM_GAP: Duration = Duration::from_millis(100);
/// How long an answer may take; a later one is a loss.
const PATIENCE: Duration = Duration::from_secs(1);

/// What came back.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Echoes {
    /// Packets that the own kernel took.
    pub sent: u32,
    /// Answers in time.
    pub received: u32,
    /// Times from packet to answer.
    pub round_trip: Summary,
    /// What the own kernel refused to send.
    pub failures: Failures,
}

impl Echoes {
    /// Packets without an answer in time.
    #[must_use]
    pub fn lost(&self) -> u32 {
        self.sent - self.received
    }
}

/// Echo requests, each answered or given up before the next.
pub(super) fn ping(to: IpAddr, limit: &Limit<'_>) -> Echoes {
    let opened = Echo::open(to);
    repeat(opened, PING_GAP, limit, |echo| {
        echo.exchange(PAYLOAD, PATIENCE)
    })
}

/// Datagrams of `size` bytes, each answered or given up before the next.
pub(super) fn datagrams(to: SocketAddr, size: usize, limit: &Limit<'_>) -> Echoes {
    let open = || {
        let any: IpAddr = match to {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind((any, 0))?;
        socket.connect(to)?;
        Ok((socket, 0_u32))
    };
    repeat(open(), DATAGRAM_GAP, limit, |(socket, number)| {
        *number += 1;
        let mut payload = number.to_be_bytes().to_vec();
        payload.resize(size.max(payload.len()), b'd');
        let begun = Instant::now();
        socket.send(&payload)?;
        let answer = await_answer(socket, &payload, begun)?;
        Ok(answer.then(|| begun.elapsed()))
    })
}

/// Waits for exactly this payload; late answers to earlier datagrams are passed over.
fn await_answer(socket: &UdpSocket, payload: &[u8], begun: Instant) -> io::Result<bool> {
    let mut answer = vec![0; payload.len() + 1];
    loop {
        let left = PATIENCE.saturating_sub(begun.elapsed());
        if left.is_zero() {
            return Ok(false);
        }
        socket.set_read_timeout(Some(left))?;
        match socket.recv(&mut answer) {
            Ok(length) if answer.get(..length) == Some(payload) => return Ok(true),
            Ok(_) => {}
            Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            // An ICMP error about an earlier datagram; this one may still be answered.
            Err(cause) if cause.kind() == io::ErrorKind::ConnectionRefused => {}
            Err(cause) => return Err(cause),
        }
    }
}

/// Sends and waits again and again until the limit.
fn repeat<T>(
    opened: io::Result<T>,
    gap: Duration,
    limit: &Limit<'_>,
    mut exchange: impl FnMut(&mut T) -> io::Result<Option<Duration>>,
) -> Echoes {
    let mut echoes = Echoes::default();
    let mut round_trips = Vec::new();
    match opened {
        Err(cause) => echoes.failures.count("open a socket", &cause),
        Ok(mut socket) => {
            let mut next = Instant::now();
            while limit.wait_until(next) {
                next = Instant::now() + gap;
                match exchange(&mut socket) {
                    Ok(round_trip) => {
                        echoes.sent += 1;
                        echoes.received += u32::from(round_trip.is_some());
                        round_trips.extend(round_trip);
                    }
                    Err(cause) => echoes.failures.count("send", &cause),
                }
            }
        }
    }
    echoes.round_trip = Summary::of(&round_trips);
    echoes
}
