//! TCP ping-pong and nothing beside it: no clock and no socket option per exchange, which would
//! dilute the ratio.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use super::work::{Work, processor_time};
use super::{BenchError, machine};
use crate::traffic::Place;

/// Bytes per message.
const MESSAGE: usize = 64;
/// Work between two looks at the clock.
const BATCH: u32 = 64;
/// How long one end waits for the other.
const PATIENCE: Duration = Duration::from_secs(5);

/// Requests and replies over one connection for a time.
pub(super) fn drive(places: &[Place; 2], time: Duration) -> Result<Work, BenchError> {
    machine::preferred(|| between(places, time))
}

fn between([client, server]: &[Place; 2], time: Duration) -> Result<Work, BenchError> {
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

fn call(server: SocketAddr, time: Duration) -> io::Result<Work> {
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
    Ok(Work {
        count,
        time: begun.elapsed(),
        busy: processor_time()?.saturating_sub(before),
    })
}

fn exchange(stream: &mut TcpStream, message: &mut [u8; MESSAGE]) -> io::Result<()> {
    stream.write_all(message)?;
    stream.read_exact(message)
}

fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))
}
