//! Descriptors that never block: waiting for any of them, and taking a connection that waits. It
//! reads and writes nothing.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, ppoll};
use nix::sys::time::TimeSpec;

/// Waits until one of them is ready, or for this long.
pub(super) fn await_any(watched: &mut [PollFd<'_>], patience: Duration) -> io::Result<()> {
    match ppoll(watched, Some(TimeSpec::from_duration(patience)), None) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// The next connection that waits at a listener that does not block; small writes leave at once.
pub(super) fn accept(listener: &TcpListener) -> io::Result<Option<TcpStream>> {
    let stream = match listener.accept() {
        Ok((stream, _)) => stream,
        Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => return Ok(None),
        Err(cause) => return Err(cause),
    };
    stream.set_nonblocking(true)?;
    stream.set_nodelay(true)?;
    Ok(Some(stream))
}
