//! TCP ping-pong and nothing beside it: no clock and no socket option per exchange, which would
//! dilute the ratio.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::AddAssign;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};
use socket2::{Domain, Protocol, Socket, Type};

use super::{BenchError, machine};
use crate::traffic::Place;

/// Bytes per message.
const MESSAGE: usize = 64;
/// Exchanges between two looks at the clock.
const BATCH: u32 = 64;
/// How long one end waits for the other.
const PATIENCE: Duration = Duration::from_secs(5);

/// What came of one or several blocks.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Exchanges {
    /// Requests that were answered.
    pub(super) count: u32,
    /// How long it took.
    pub(super) time: Duration,
    /// Processor time of both ends for them, kernel included.
    pub(super) busy: Duration,
}

impl Exchanges {
    /// Exchanges per second.
    pub(super) fn rate(&self) -> f64 {
        f64::from(self.count) / self.time.as_secs_f64()
    }

    /// Processor time per exchange, nanoseconds.
    pub(super) fn busy_nanos(&self) -> f64 {
        self.busy.as_secs_f64() * 1e9 / f64::from(self.count.max(1))
    }
}

impl AddAssign for Exchanges {
    fn add_assign(&mut self, other: Self) {
        self.count += other.count;
        self.time += other.time;
        self.busy += other.busy;
    }
}

/// Requests and replies over one connection for a time.
pub(super) fn drive(places: &[Place; 2], time: Duration) -> Result<Exchanges, BenchError> {
    machine::preferred(|| between(places, time))
}

fn between([client, server]: &[Place; 2], time: Duration) -> Result<Exchanges, BenchError> {
    let (announce, announced) = channel();
    thread::scope(|scope| {
        let serving = scope.spawn(|| server.run(|| serve(server, &announce)));
        let called = match announced.recv_timeout(PATIENCE) {
            Ok(address) => client.run(|| call(address, time))?,
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        };
        let served = match serving.join() {
            Ok(served) => served?,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        let action = || BenchError::io(format!("exchange messages with {}", server.netns));
        let mut called = called.map_err(action())?;
        called.busy += served.map_err(action())?;
        Ok(called)
    })
}

/// Answers until the client ends; the processor time that this took.
fn serve(place: &Place, announce: &Sender<SocketAddr>) -> io::Result<Duration> {
    let own = SocketAddr::new(place.address, 0);
    let socket = Socket::new(Domain::for_address(own), Type::STREAM, Some(Protocol::TCP))?;
    socket.bind(&own.into())?;
    socket.listen(1)?;
    // Bounds `accept` too.
    socket.set_read_timeout(Some(PATIENCE))?;
    let address = socket.local_addr()?.as_socket();
    announce
        .send(address.ok_or(io::ErrorKind::AddrNotAvailable)?)
        .map_err(|_| io::ErrorKind::ConnectionAborted)?;
    let (stream, _) = socket.accept()?;
    let mut stream: TcpStream = stream.into();
    prepare(&stream)?;
    let mut message = [0; MESSAGE];
    for _ in 0..BATCH {
        stream.read_exact(&mut message)?;
        stream.write_all(&message)?;
    }
    let before = processor_time()?;
    loop {
        match stream.read_exact(&mut message) {
            Ok(()) => stream.write_all(&message)?,
            Err(end) if end.kind() == io::ErrorKind::UnexpectedEof => {
                return Ok(processor_time()?.saturating_sub(before));
            }
            Err(error) => return Err(error),
        }
    }
}

fn call(server: SocketAddr, time: Duration) -> io::Result<Exchanges> {
    let mut stream = TcpStream::connect_timeout(&server, PATIENCE)?;
    prepare(&stream)?;
    let mut message = [b'q'; MESSAGE];
    // The first exchanges set the flow up.
    for _ in 0..BATCH {
        exchange(&mut stream, &mut message)?;
    }
    let (begun, before) = (Instant::now(), processor_time()?);
    let mut count = 0;
    while begun.elapsed() < time {
        for _ in 0..BATCH {
            exchange(&mut stream, &mut message)?;
        }
        count += BATCH;
    }
    Ok(Exchanges {
        count,
        time: begun.elapsed(),
        busy: processor_time()?.saturating_sub(before),
    })
}

fn exchange(stream: &mut TcpStream, message: &mut [u8; MESSAGE]) -> io::Result<()> {
    stream.write_all(message)?;
    stream.read_exact(message)
}

/// Of the calling thread.
fn processor_time() -> io::Result<Duration> {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?;
    Ok(time.into())
}

fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))
}
