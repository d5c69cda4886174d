//! The few kernel calls without a safe wrapper: TUN/TAP devices and two socket options.
//! All `unsafe` of the lab and its traffic is here; nothing else is.

use std::fs::{File, OpenOptions};
use std::io;
use std::mem::{size_of, zeroed};
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::OpenOptionsExt;

/// Which layer a TUN/TAP device carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layer {
    /// IP packets.
    Tun,
    /// Ethernet frames.
    Tap,
}

/// Creates a non-persistent, non-blocking device in the calling thread's network namespace.
pub(crate) fn open_tun(name: &str, layer: Layer) -> io::Result<File> {
    if name.is_empty() || name.len() >= libc::IFNAMSIZ {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "device name length",
        ));
    }
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC)
        .open("/dev/net/tun")?;
    // SAFETY: `ifreq` is plain old data of the C interface; all zeroes is a valid value.
    let mut request: libc::ifreq = unsafe { zeroed() };
    for (slot, byte) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *slot = libc::c_char::from_ne_bytes([byte]);
    }
    let kind = match layer {
        Layer::Tun => libc::IFF_TUN,
        Layer::Tap => libc::IFF_TAP,
    };
    request.ifr_ifru.ifru_flags = libc::c_short::try_from(kind | libc::IFF_NO_PI)
        .map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    // SAFETY: the descriptor is open for the whole call and the kernel reads and writes only
    // `request`, which outlives the call and has the size TUNSETIFF expects.
    let status = unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, &raw mut request) };
    if status < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(file)
    }
}

/// Reads `TCP_INFO` of a connected socket.
pub(crate) fn tcp_info(socket: &impl AsFd) -> io::Result<libc::tcp_info> {
    // SAFETY: `tcp_info` holds only integers; all zeroes is a valid value.
    let mut info: libc::tcp_info = unsafe { zeroed() };
    let mut length = c_length::<libc::tcp_info>();
    // SAFETY: the descriptor is borrowed for the call; the kernel writes at most `length` bytes
    // into `info`, which is exactly that long.
    let status = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut info).cast(),
            &raw mut length,
        )
    };
    if status < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(info)
    }
}

/// Whether packets of a socket may be cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fragmenting {
    /// The sender may cut, and with IPv4 (DF clear) routers may.
    Allowed,
    /// Too long is an error; with IPv4 DF is set.
    Refused,
    /// DF set, and what routers have said of the way's MTU is not heeded.
    Probing,
}

/// Says so of everything that a socket sends to addresses like this one.
pub(crate) fn set_fragmenting(
    socket: &impl AsFd,
    to: IpAddr,
    wanted: Fragmenting,
) -> io::Result<()> {
    let (level, option) = match to {
        IpAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_MTU_DISCOVER),
        IpAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER),
    };
    let value: libc::c_int = match (wanted, to) {
        (Fragmenting::Refused, IpAddr::V4(_)) => libc::IP_PMTUDISC_DO,
        (Fragmenting::Refused, IpAddr::V6(_)) => libc::IPV6_PMTUDISC_DO,
        (Fragmenting::Allowed, IpAddr::V4(_)) => libc::IP_PMTUDISC_DONT,
        // Cut to what the path is known to take: routers do not cut.
        (Fragmenting::Allowed, IpAddr::V6(_)) => libc::IPV6_PMTUDISC_WANT,
        (Fragmenting::Probing, IpAddr::V4(_)) => libc::IP_PMTUDISC_PROBE,
        (Fragmenting::Probing, IpAddr::V6(_)) => libc::IPV6_PMTUDISC_PROBE,
    };
    // SAFETY: the descriptor is borrowed for the call; the kernel reads one `c_int` from `value`,
    // which outlives the call.
    let status = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            level,
            option,
            (&raw const value).cast(),
            c_length::<libc::c_int>(),
        )
    };
    if status < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// The size of a C structure as the kernel's length type; such structures are far below 4 GiB.
fn c_length<T>() -> libc::socklen_t {
    libc::socklen_t::try_from(size_of::<T>()).unwrap_or(libc::socklen_t::MAX)
}
