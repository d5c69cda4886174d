//! Offloads of a device, as `ethtool` tells and changes them.

use nix::libc;
use xtask::lab::netns;

/// `SIOCETHTOOL` (kernel: `include/uapi/linux/sockios.h`).
const SIOCETHTOOL: libc::c_ulong = 0x8946;
/// `ETHTOOL_SGRO`, `ETHTOOL_GGRO` and `ETHTOOL_GFEATURES` (kernel: `include/uapi/linux/ethtool.h`).
const SET_GRO: u32 = 0x2c;
const GET_GRO: u32 = 0x2b;
const GET_FEATURES: u32 = 0x3a;
/// Blocks of 32 features that are asked for, and words of a block: available, wanted, active, never changed.
const BLOCKS: u32 = 2;
const BLOCK: usize = 4;

nix::ioctl_readwrite_bad!(ethtool, SIOCETHTOOL, libc::ifreq);

/// Switches generic receive offload on, as `ethtool -K DEVICE gro on` does: of a veth it is off until
/// somebody asks for it.
pub(crate) fn merge_received(netns: &str, device: &str) {
    let is_on = netns::within(netns, || {
        ask(device, [SET_GRO, 1]);
        ask(device, [GET_GRO, 0]) == [GET_GRO, 1]
    });
    assert!(is_on.expect("namespace"), "{device} has no GRO");
}

/// The active features, a bit each.
pub(crate) fn features(netns: &str, device: &str) -> Vec<u32> {
    let mut request = [0; 2 + 2 * BLOCK];
    request[..2].copy_from_slice(&[GET_FEATURES, BLOCKS]);
    let answer = netns::within(netns, || ask(device, request)).expect("namespace");
    let blocks = answer[2..].chunks(BLOCK);
    blocks.map(|block| block[2]).collect()
}

/// Asks with a command's number and what belongs to it; answers with what the kernel made of it.
fn ask<const WORDS: usize>(device: &str, mut words: [u32; WORDS]) -> [u32; WORDS] {
    use std::os::fd::AsRawFd;
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").expect("socket");
    let mut name = [0; libc::IFNAMSIZ];
    for (to, from) in name.iter_mut().zip(device.bytes()) {
        *to = libc::c_char::try_from(from).expect("ASCII");
    }
    let mut request = libc::ifreq {
        ifr_name: name,
        ifr_ifru: libc::__c_anonymous_ifr_ifru {
            ifru_data: words.as_mut_ptr().cast(),
        },
    };
    // SAFETY: the request names a device and points to words, both alive during the call, and enough of them
    // for the command's own count.
    unsafe { ethtool(socket.as_raw_fd(), &raw mut request) }.expect("ethtool");
    words
}
