//! A delay box: a wire between two TAPs that holds every frame for a settable time, in order and
//! in both directions. It never drops, changes or looks into a frame unless its queue is full.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags};
use serde::{Deserialize, Serialize};

use super::config_file;
use super::error::LabError;
use super::held::Held;
use super::kernel::{Layer, open_tun};
use super::knob::Knob;
use super::sockets::await_any;

/// The configuration file of a delay box.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Names of the two TAPs to make.
    pub devices: [String; 2],
    /// File with the delay in milliseconds per direction; may be missing.
    pub delay_file: PathBuf,
}

/// Frames taken from one side before the other is looked at again.
const BURST: usize = 64;
/// The largest Ethernet frame a TAP hands out.
const FRAME: usize = 65_536;
/// Frames held per direction: 100 ms at 1 Gbit/s of 1500 bytes.
const HELD: usize = 10_000;
/// Longest sleep; a frame or a due time ends it earlier.
const IDLE: Duration = Duration::from_secs(1);

/// Runs the delay box of a configuration file until the process is ended.
pub fn serve(config: &Path) -> Result<(), LabError> {
    let config: Config = config_file::read("delay box", config)?;
    let open = |name: &String| {
        open_tun(name, Layer::Tap)
            .map_err(|cause| LabError::io(format!("make tap device {name}"), cause))
    };
    let [inside, outside] = [open(&config.devices[0])?, open(&config.devices[1])?];
    run(&inside, &outside, Knob::new(config.delay_file))
        .map_err(|cause| LabError::io("carry frames through the delay box", cause))
}

/// Carries frames both ways, for ever.
fn run(inside: &File, outside: &File, mut knob: Knob) -> io::Result<()> {
    let mut outward = Held::new(HELD);
    let mut inward = Held::new(HELD);
    let mut frame = vec![0; FRAME];
    loop {
        let now = Instant::now();
        let waits = [outward.wait(now), inward.wait(now)];
        let patience = waits
            .into_iter()
            .flatten()
            .min()
            .map_or(IDLE, |wait| wait.min(IDLE));
        let mut watched = [inside, outside].map(|tap| PollFd::new(tap.as_fd(), PollFlags::POLLIN));
        await_any(&mut watched, patience)?;
        take(inside, &mut outward, &mut frame, &mut knob)?;
        take(outside, &mut inward, &mut frame, &mut knob)?;
        deliver(&mut outward, outside);
        deliver(&mut inward, inside);
    }
}

/// Takes frames that arrived and sets their time.
fn take(
    mut tap: &File,
    held: &mut Held<Vec<u8>>,
    frame: &mut [u8],
    knob: &mut Knob,
) -> io::Result<()> {
    for _ in 0..BURST {
        match tap.read(frame) {
            Ok(length) => {
                let now = Instant::now();
                if !held.push(now + knob.value(now), frame[..length].to_vec()) {
                    eprintln!("drop a frame of {length} bytes: {HELD} frames are held");
                }
            }
            Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            // The device is not up yet.
            Err(cause) if cause.raw_os_error() == Some(libc::EIO) => return Ok(()),
            Err(cause) => return Err(cause),
        }
    }
    Ok(())
}

/// Lets go of what is due.
fn deliver(held: &mut Held<Vec<u8>>, mut tap: &File) {
    let now = Instant::now();
    while let Some(frame) = held.pop(now) {
        if let Err(cause) = tap.write_all(&frame) {
            eprintln!("deliver {} bytes: {cause}", frame.len());
        }
    }
}
