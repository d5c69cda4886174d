//! Where a trial run takes place: on this machine's own pod network or in the lab. It only looks.

use std::path::Path;

use crate::lab::Scenario;

/// Devices that mean "this machine has a pod network" (any one of them is enough).
const DEVICES: [&str; 4] = ["flannel.1", "cni0", "tailscale0", "lima0"];

/// Where the trial run takes place.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ground {
    /// This machine has these devices.
    Node(Vec<&'static str>),
    /// It has none of them, or a scenario was asked for.
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

    /// The one line that says what is going to be shown.
    pub(super) fn describe(&self, scenario: Option<Scenario>) -> String {
        match (self, scenario) {
            (Self::Node(devices), _) => {
                format!("pod network found ({}): observing it", devices.join(", "))
            }
            (Self::Lab, None) => format!(
                "no pod network on this machine (none of {}): showing labs, sick S1 beside \
                 healthy H2, then Services in H2C",
                DEVICES.join(", ")
            ),
            (Self::Lab, Some(scenario)) => {
                format!(
                    "showing scenario {} in a lab",
                    scenario.name().to_uppercase()
                )
            }
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

    #[test]
    fn a_machine_without_a_pod_network_is_told_so_in_one_line() {
        let said = Ground::Lab.describe(None);
        assert!(
            said.contains("none of flannel.1, cni0, tailscale0, lima0"),
            "{said}"
        );
        assert_eq!(said.lines().count(), 1);
    }
}
