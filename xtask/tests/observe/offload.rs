//! Switches generic receive offload of a device on, as `ethtool -K DEVICE gro on` does: of a veth it
//! is off until somebody asks for it.

use nix::libc;
use xtask::lab::netns;

/// `SIOCETHTOOL` (kernel: `include/uapi/linux/sockios.h`).
const SIOCETHTOOL: libc::c_ulong = 0x8946;
/// `ETHTOOL_SGRO` and `ETHTOOL_GGRO` (kernel: `include/uapi/linux/ethtool.h`).
const SET: u32 = 0x2c;
const GET: u32 = 0x2b;

/// `struct ethtool_value`.
#[repr(C)]
struct Setting {
    command: u32,
    data: u32,
}

nix::ioctl_readwrite_bad!(ethtool, SIOCETHTOOL, libc::ifreq);

/// Switches it on.
pub(crate) fn merge_received(netns: &str, device: &str) {
    let is_on = netns::within(netns, || {
        ask(device, SET, 1);
        ask(device, GET, 0) == 1
    });
    assert!(is_on.expect("namespace"), "{device} has no GRO");
}

fn ask(device: &str, command: u32, data: u32) -> u32 {
    use std::os::fd::AsRawFd;
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").expect("socket");
    let mut setting = Setting { command, data };
    let mut name = [0; libc::IFNAMSIZ];
    for (to, from) in name.iter_mut().zip(device.bytes()) {
        *to = libc::c_char::try_from(from).expect("ASCII");
    }
    let mut request = libc::ifreq {
        ifr_name: name,
        ifr_ifru: libc::__c_anonymous_ifr_ifru {
            ifru_data: (&raw mut setting).cast(),
        },
    };
    // SAFETY: the request names a device and points to a setting, both alive during the call.
    unsafe { ethtool(socket.as_raw_fd(), &raw mut request) }.expect("ethtool");
    setting.data
}
