//! Where a trial run takes place: on this machine's own pod network or in the lab. It only looks.

use std::path::Path;

/// Devices that mean "this machine has a pod network" (any one of them is enough).
pub(super) const DEVICES: [&str; 4] = ["flannel.1", "cni0", "tailscale0", "lima0"];

/// Where the trial run takes place.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ground {
    /// This machine has these devices.
    Node(Vec<&'static str>),
    /// It has none of them.
    Lab,
}

impl Ground {
    /// Looks at this machine's network namespace.
    pub(super) fn look() -> Self {
        Self::of(|device| Path::new("/sys/class/net").join(device).exists())
    }

    fn of(is_there: impl Fn(&str) -> bool) -> Self {
        let found: Vec<_> = DEVICES
            .into_iter()
            .filter(|device| is_there(device))
            .collect();
        if found.is_empty() {
            Self::Lab
        } else {
            Self::Node(found)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_device_is_enough_for_a_node() {
        assert_eq!(
            Ground::of(|device| device == "cni0"),
            Ground::Node(vec!["cni0"])
        );
        assert_eq!(Ground::of(|_| false), Ground::Lab);
    }
}
