//! Files of a bundle, opened: regular ones alone. Nothing is waited for, and no link is followed: it may
//! lead out of the bundle.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::error::Cause;

/// Opens a file of a bundle.
pub(super) fn open(path: &Path) -> Result<File, Cause> {
    let mut options = OpenOptions::new();
    // Without a reader's or writer's other end, a FIFO would be waited for.
    options
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    let file = options.open(path).map_err(named)?;
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    Err(no_file())
}

/// The system says of a link that there are too many.
fn named(error: io::Error) -> Cause {
    match error.raw_os_error() {
        Some(libc::ELOOP) => {
            let why = "a symbolic link; a bundle holds files and folders alone: copy the file";
            Cause::Content(why.to_owned())
        }
        // What a socket, or a device without a driver, answers.
        Some(libc::ENXIO) => no_file(),
        _ => Cause::Io(error),
    }
}

fn no_file() -> Cause {
    let why = "no regular file; a bundle holds files and folders alone";
    Cause::Content(why.to_owned())
}
