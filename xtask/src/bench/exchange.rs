//! TCP ping-pong and nothing beside it: no clock and no socket option per exchange, which would
//! dilute the ratio.

use std::io::{self, Read, Write};
use std::net::{SocketAddrV4, TcpStream};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use super::BenchError;
use crate::traffic::Place;

/// Bytes per message.
const MESSAGE: usize = 64;
/// Exchanges between two looks at the clock.
const BATCH: u32 = 64;
/// How long one end waits for the other.
const PATIENCE: Duration = Duration::from_secs(5);

/// What came of a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exchanges {
    /// Requests that were answered.
    pub(super) count: u32,
    /// Per second.
    pub(super) rate: f64,
}

/// Requests and replies over one connection for a time.
pub(super) fn drive(
    [client, server]: &[Place; 2],
    time: Duration,
) -> Result<Exchanges, BenchError> {
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
        let called = called.map_err(action())?;
        served.map_err(action())?;
        Ok(called)
    })
}

fn serve(place: &Place, announce: &Sender<SocketAddrV4>) -> io::Result<()> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.bind(&SocketAddrV4::new(place.address, 0).into())?;
    socket.listen(1)?;
    // Bounds `accept` too.
    socket.set_read_timeout(Some(PATIENCE))?;
    let address = socket.local_addr()?.as_socket_ipv4();
    announce
        .send(address.ok_or(io::ErrorKind::AddrNotAvailable)?)
        .map_err(|_| io::ErrorKind::ConnectionAborted)?;
    let (stream, _) = socket.accept()?;
    let mut stream: TcpStream = stream.into();
    prepare(&stream)?;
    let mut message = [0; MESSAGE];
    loop {
        match stream.read_exact(&mut message) {
            Ok(()) => stream.write_all(&message)?,
            Err(end) if end.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

fn call(server: SocketAddrV4, time: Duration) -> io::Result<Exchanges> {
    let mut stream = TcpStream::connect_timeout(&server.into(), PATIENCE)?;
    prepare(&stream)?;
    let mut message = [b'q'; MESSAGE];
    // The first exchanges set the flow up.
    for _ in 0..BATCH {
        exchange(&mut stream, &mut message)?;
    }
    let begun = Instant::now();
    let mut count = 0;
    while begun.elapsed() < time {
        for _ in 0..BATCH {
            exchange(&mut stream, &mut message)?;
        }
        count += BATCH;
    }
    Ok(Exchanges {
        count,
        rate: f64::from(count) / begun.elapsed().as_secs_f64(),
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
