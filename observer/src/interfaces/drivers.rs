//! Drivers on which native XDP was tried, for the setting `xdp = "auto"`.

/// Those that forward, merge and segment with a program as they did without one. None was found yet:
/// veth segments every aggregate of its peer in software, `virtio_net` gives the host's offloads up
/// (`docs/decisions/0010-before-the-stack.md` says what a trial has to show).
const TRIED: &[&str] = &[];

/// True if a native XDP program costs a device of this driver nothing.
#[must_use]
pub fn is_tried(driver: &str) -> bool {
    TRIED.contains(&driver)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_that_lose_by_it_are_not_tried_ones() {
        for driver in ["veth", "vxlan", "tun", "bridge", "wireguard", "virtio_net"] {
            assert!(!is_tried(driver), "{driver}");
        }
    }
}
