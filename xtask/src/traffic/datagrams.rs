//! UDP datagrams of one exact size and number, echoed if wanted.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Mutex;
use std::sync::mpsc::Sender;
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::{Place, Stop, Summary, TrafficError, pair};
use crate::lab::kernel::{Fragmenting, set_fragmenting};

/// Datagrams from the client to the server.
#[derive(Debug, Clone)]
pub struct Datagrams {
    /// Who sends.
    pub client: Place,
    /// Who receives.
    pub server: Place,
    /// The server's port; 0 lets the kernel choose.
    pub port: u16,
    /// How many.
    pub count: u32,
    /// UDP payload of each in bytes.
    pub size: usize,
    /// Pause between two.
    pub gap: Duration,
    /// Whether the server sends each back; the client then waits for it.
    pub answer: Answer,
    /// Whether they may be cut.
    pub fragmenting: Fragmenting,
}

/// What the server does with a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Counts it.
    None,
    /// Sends it back.
    Echo,
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub struct DatagramsReport {
    /// Datagrams the kernel took.
    pub sent: u32,
    /// Datagrams the sender's kernel refused as too long.
    pub refused: u32,
    /// Datagrams of the right size at the server.
    pub received: u32,
    /// Echoes at the client.
    pub echoed: u32,
    /// Times from datagram to echo.
    pub round_trip: Summary,
    /// The server's port.
    pub port: u16,
}

/// How long an echo may take, and how long the server listens on after the last datagram.
const LATE: Duration = Duration::from_millis(300);

impl Datagrams {
    /// Datagrams without pauses and echoes.
    #[must_use]
    pub fn new(client: Place, server: Place, count: u32, size: usize) -> Self {
        let (gap, answer) = (Duration::ZERO, Answer::None);
        let fragmenting = Fragmenting::Allowed;
        Self {
            client,
            server,
            port: 0,
            count,
            size,
            gap,
            answer,
            fragmenting,
        }
    }

    /// Drives it to its end.
    pub fn drive(&self, stop: &Stop) -> Result<DatagramsReport, TrafficError> {
        let places = [&self.client, &self.server];
        // None while the client sends, then when it ended.
        let ended = Mutex::new(None);
        let serve = |announce| {
            let action = format!("receive datagrams in {}", self.server.netns);
            self.receive(&announce, &ended)
                .map_err(TrafficError::socket(action))
        };
        let call = |server| {
            let action = format!("send datagrams from {} to {server}", self.client.netns);
            let sent = self.send(server, stop);
            set_now(&ended);
            sent.map_err(TrafficError::socket(action))
        };
        let (sent, received) = pair::run(places, serve, call)?;
        Ok(DatagramsReport { received, ..sent })
    }

    fn receive(
        &self,
        announce: &Sender<SocketAddr>,
        ended: &Mutex<Option<Instant>>,
    ) -> io::Result<u32> {
        let socket = UdpSocket::bind((self.server.address, self.port))?;
        socket.set_read_timeout(Some(LATE / 10))?;
        announce
            .send(socket.local_addr()?)
            .map_err(|_| io::ErrorKind::ConnectionAborted)?;
        let mut buffer = vec![0; self.size + 1];
        let mut received = 0;
        let mut last = Instant::now();
        loop {
            match socket.recv_from(&mut buffer) {
                Ok((length, from)) => {
                    last = Instant::now();
                    received += u32::from(length == self.size);
                    if self.answer == Answer::Echo {
                        socket.send_to(&buffer[..length], from)?;
                    }
                }
                Err(cause) if is_timeout(&cause) => {
                    let ended = *ended
                        .lock()
                        .unwrap_or_else(std::sync::PoisonError::into_inner);
                    if ended.is_some_and(|ended| ended.max(last).elapsed() >= LATE) {
                        return Ok(received);
                    }
                }
                Err(cause) => return Err(cause),
            }
        }
    }

    fn send(&self, server: SocketAddr, stop: &Stop) -> io::Result<DatagramsReport> {
        let socket = UdpSocket::bind((self.client.address, 0))?;
        set_fragmenting(&socket, self.server.address, self.fragmenting)?;
        socket.connect(server)?;
        socket.set_read_timeout(Some(LATE))?;
        let mut payload = vec![b'd'; self.size];
        let mut echo = vec![0; self.size + 1];
        let (mut sent, mut refused) = (0, 0);
        let mut round_trips = Vec::new();
        for number in 0..self.count {
            if stop.is_set() {
                break;
            }
            for (slot, byte) in payload.iter_mut().zip(number.to_be_bytes()) {
                *slot = byte;
            }
            let begun = Instant::now();
            match socket.send(&payload) {
                Ok(_) => sent += 1,
                Err(cause) if cause.raw_os_error() == Some(libc::EMSGSIZE) => refused += 1,
                Err(cause) => return Err(cause),
            }
            if self.answer == Answer::Echo && hear(&socket, &mut echo, &payload)? {
                round_trips.push(begun.elapsed());
            }
            if !self.gap.is_zero() {
                thread::sleep(self.gap);
            }
        }
        Ok(DatagramsReport {
            sent,
            refused,
            received: 0,
            echoed: u32::try_from(round_trips.len()).unwrap_or(u32::MAX),
            round_trip: Summary::of(&round_trips),
            port: server.port(),
        })
    }
}

/// Waits for the echo of exactly this payload; late echoes of earlier ones are passed over.
fn hear(socket: &UdpSocket, echo: &mut [u8], payload: &[u8]) -> io::Result<bool> {
    let begun = Instant::now();
    while begun.elapsed() < LATE {
        match socket.recv(echo) {
            Ok(length) if echo.get(..length) == Some(payload) => return Ok(true),
            Ok(_) => {}
            Err(cause) if is_timeout(&cause) => return Ok(false),
            Err(cause) => return Err(cause),
        }
    }
    Ok(false)
}

/// Whether a read only ran out of time.
fn is_timeout(cause: &io::Error) -> bool {
    matches!(
        cause.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

/// Notes that the sender has ended.
fn set_now(ended: &Mutex<Option<Instant>>) {
    *ended
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner) = Some(Instant::now());
}
