//! A server and a client on threads at their places, and how they find each other.

use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use super::{Place, TrafficError};

/// How long one end waits for the other before it calls the path dead.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Runs a server and, once it has announced itself, a client. The client's error comes first: the
/// server mostly fails because of it.
pub(super) fn run<A: Send, S: Send, C: Send>(
    [client, server]: [&Place; 2],
    serve: impl FnOnce(Sender<A>) -> Result<S, TrafficError> + Send,
    call: impl FnOnce(A) -> Result<C, TrafficError> + Send,
) -> Result<(C, S), TrafficError> {
    let (announce, announced) = channel();
    thread::scope(|scope| {
        let serving = scope.spawn(move || server.run(move || serve(announce))?);
        let calling = scope.spawn(move || {
            await_server(&announced, server).map(|found| client.run(move || call(found)))
        });
        let called = match join(calling) {
            // The server never announced itself: its own error says why.
            Err(missing) => return Err(join(serving).err().unwrap_or(missing)),
            Ok(called) => called,
        };
        let served = join(serving);
        Ok((called??, served?))
    })
}

/// Waits for the announcement of the server.
fn await_server<A>(announced: &Receiver<A>, server: &Place) -> Result<A, TrafficError> {
    announced.recv().map_err(|_| TrafficError::OtherEnd {
        action: format!("start a server in {}", server.netns),
    })
}

/// The result of a thread; its panic is passed on.
pub(crate) fn join<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}
