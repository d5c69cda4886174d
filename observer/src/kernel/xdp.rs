//! Attaches the XDP program of an underlay by a link, which the kernel removes when the agent dies. A
//! program that is there already stays, whoever's it is.
//!
//! Never: an attachment that replaces another one, or that outlives the agent.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::{fs, io};

use aya::programs::ProgramError;
use observer_ebpf::abi::point::Point;

use super::calls;
use super::object::{LoadError, Object};

/// `XDP_FLAGS_SKB_MODE` and `XDP_FLAGS_DRV_MODE` (kernel: `include/uapi/linux/if_link.h`).
const GENERIC: u32 = 1 << 1;
const NATIVE: u32 = 1 << 2;

/// Where the program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum XdpMode {
    /// In the driver, before there is a socket buffer.
    Native,
    /// In the kernel's stack; GRO is off on such a device.
    Generic,
}

impl XdpMode {
    /// Its name in settings and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Generic => "generic",
        }
    }
}

/// An XDP program could not be attached.
#[derive(Debug, thiserror::Error)]
pub enum XdpError {
    /// The program itself is not to be had.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// Another program is there.
    #[error(
        "attach an XDP program to {device} in {} mode: another one is there, and stays; \
         `ip link show dev {device}` names it", mode.name()
    )]
    Occupied {
        /// Device name.
        device: String,
        /// How.
        mode: XdpMode,
    },
    /// The kernel or the driver refused.
    #[error(
        "attach an XDP program to {device} in {} mode: {source}; {}", mode.name(), fix(source, *mode)
    )]
    Refused {
        /// Device name.
        device: String,
        /// How.
        mode: XdpMode,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl XdpError {
    /// Its name as a blind spot.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Load(_) => "xdp_program_refused",
            Self::Occupied { .. } => "xdp_occupied",
            Self::Refused { .. } => "xdp_refused",
        }
    }
}

fn fix(source: &io::Error, mode: XdpMode) -> &'static str {
    match (source.raw_os_error(), mode) {
        (Some(libc::EOPNOTSUPP), XdpMode::Native) => {
            "the driver has no native mode as it is set up; `xdp = \"generic\"` needs none"
        }
        (Some(libc::ERANGE), _) => "the device's MTU is too large for the driver's XDP",
        _ => "needs CAP_BPF, CAP_NET_ADMIN and Linux 5.18 or newer",
    }
}

/// A program in place; gone when dropped.
#[derive(Debug)]
pub struct XdpLink {
    _held: OwnedFd,
}

impl XdpLink {
    /// Attaches the program of an underlay to a device, by name and number.
    pub fn new(
        object: &mut Object,
        (device, ifindex): (&str, u32),
        point: Point,
        mode: XdpMode,
    ) -> Result<Self, XdpError> {
        let name = xdp_name(point).ok_or(LoadError::Missing {
            kind: "XDP program of point",
            name: format!("{point:?}"),
        })?;
        let program = object.xdp_program(name)?;
        let refused = |source: ProgramError| LoadError::Program {
            program: name,
            source: Box::new(source),
        };
        let fd = program.fd().map_err(refused)?;
        let flags = match mode {
            XdpMode::Native => NATIVE,
            XdpMode::Generic => GENERIC,
        };
        match calls::link_xdp(fd.as_fd(), ifindex, flags) {
            Ok(held) => Ok(Self { _held: held }),
            // EEXIST: one in the other mode.
            Err(source) if matches!(source.raw_os_error(), Some(libc::EBUSY | libc::EEXIST)) => {
                Err(XdpError::Occupied {
                    device: device.to_owned(),
                    mode,
                })
            }
            Err(source) => Err(XdpError::Refused {
                device: device.to_owned(),
                mode,
                source,
            }),
        }
    }
}

/// Name of the XDP program of an underlay, as `bpftool prog` shows it.
#[must_use]
pub const fn xdp_name(point: Point) -> Option<&'static str> {
    match point {
        Point::Underlay0 => Some("underlay0_xdp"),
        Point::Underlay1 => Some("underlay1_xdp"),
        Point::Underlay2 => Some("underlay2_xdp"),
        Point::Port | Point::Bridge | Point::Overlay | Point::Tunnel | Point::FlannelWg => None,
    }
}

/// Where sysfs shows devices.
const DEVICES: &str = "/sys/class/net";

/// The driver of a network card, if sysfs shows it.
#[must_use]
pub fn driver(device: &str) -> Option<String> {
    let link = Path::new(DEVICES).join(device).join("device/driver");
    let target = fs::read_link(link).ok()?;
    Some(target.file_name()?.to_string_lossy().into_owned())
}

/// What a virtio card negotiated with its host, if it is one: a `0` or `1` for each feature.
#[must_use]
pub fn virtio_features(device: &str) -> Option<String> {
    let file = Path::new(DEVICES).join(device).join("device/features");
    let text = fs::read_to_string(file).ok()?;
    Some(text.trim().to_owned())
}
