//! A TUN device, for what `BPF_PROG_TEST_RUN` cannot show: who writes says how much of a packet lies in
//! the buffer's linear part. It sends nothing.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::process::Command;

use nix::sched::{CloneFlags, unshare};

/// Name of the device.
pub(crate) const NAME: &str = "tun0";
/// `struct virtio_net_hdr`: flags, type, header length, segment size, checksum start and offset.
pub(crate) type VirtioHeader = [u8; 10];

/// A TUN device with virtio headers, up, in a network namespace of this thread's own.
pub(crate) fn open() -> io::Result<File> {
    unshare(CloneFlags::CLONE_NEWNET)?;
    let device = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/net/tun")?;
    let mut request = [0_u8; 40];
    request[..NAME.len()].copy_from_slice(NAME.as_bytes());
    let flags = libc::IFF_TUN | libc::IFF_NO_PI | libc::IFF_VNET_HDR;
    request[16..18].copy_from_slice(&flags.to_ne_bytes()[..2]);
    // SAFETY: `request` is as long as `struct ifreq`, which the call reads and writes.
    if unsafe { libc::ioctl(device.as_raw_fd(), libc::TUNSETIFF, request.as_mut_ptr()) } < 0 {
        return Err(io::Error::last_os_error());
    }
    let done = Command::new("ip")
        .args(["link", "set", NAME, "up"])
        .status()?;
    if done.success() {
        Ok(device)
    } else {
        Err(io::Error::other("ip link set up"))
    }
}
