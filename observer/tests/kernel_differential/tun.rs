//! A TUN device with virtio headers: who writes says how much of a packet lies in the buffer's linear
//! part, and whether it is an aggregate. It sends nothing.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::process::Command;

/// `struct virtio_net_hdr`: flags, type, header length, segment size, checksum start and offset.
pub(crate) type VirtioHeader = [u8; 10];

/// A device with virtio headers, up, in the network namespace of this thread; `mode` is `IFF_TUN`, or
/// `IFF_TAP` for one with Ethernet headers.
pub(crate) fn open(name: &str, mode: libc::c_int) -> io::Result<File> {
    let device = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/net/tun")?;
    let mut request = [0_u8; 40];
    request[..name.len()].copy_from_slice(name.as_bytes());
    let flags = mode | libc::IFF_NO_PI | libc::IFF_VNET_HDR;
    request[16..18].copy_from_slice(&flags.to_ne_bytes()[..2]);
    // SAFETY: `request` is as long as `struct ifreq`, which the call reads and writes.
    if unsafe { libc::ioctl(device.as_raw_fd(), libc::TUNSETIFF, request.as_mut_ptr()) } < 0 {
        return Err(io::Error::last_os_error());
    }
    let done = Command::new("ip")
        .args(["link", "set", name, "up"])
        .status()?;
    if done.success() {
        Ok(device)
    } else {
        Err(io::Error::other("ip link set up"))
    }
}
