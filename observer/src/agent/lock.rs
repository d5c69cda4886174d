//! One agent per network namespace: whoever holds the abstract socket of this name is it. The
//! kernel scopes the name to the namespace and frees it when the process ends.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use super::AgentError;

const NAME: &[u8] = b"netpath-observer";

/// The held name.
pub(super) struct Lock {
    _socket: UnixListener,
}

/// Takes the name, or says that another agent has it.
pub(super) fn take() -> Result<Lock, AgentError> {
    let bind = || UnixListener::bind_addr(&SocketAddr::from_abstract_name(NAME)?);
    match bind() {
        Ok(socket) => Ok(Lock { _socket: socket }),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => Err(AgentError::SecondAgent),
        Err(error) => Err(AgentError::Lock(error)),
    }
}
