//! Whether bridged frames pass netfilter (`br_netfilter`), and whether this kernel can do it.
//!
//! With it, the bridge translates addresses and puts fragments together before its own device sees a
//! packet, and the same for replies between two of its ports. Without it, such replies never meet
//! conntrack.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::LabError;

/// The settings of `br_netfilter`; missing where the kernel has none.
const SETTINGS: &str = "/proc/sys/net/bridge";
/// The setting of IPv4.
pub(super) const CALL_IPTABLES: &str = "net.bridge.bridge-nf-call-iptables";

/// The setting of IPv6.
pub(super) const CALL_IP6TABLES: &str = "net.bridge.bridge-nf-call-ip6tables";

/// The setting `net.bridge.bridge-nf-call-iptables` of the nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BridgeNetfilter {
    /// 1, as Kubernetes wants it.
    On,
    /// 0.
    Off,
}

impl Default for BridgeNetfilter {
    /// As Kubernetes wants it, if this kernel can.
    fn default() -> Self {
        if is_possible() { Self::On } else { Self::Off }
    }
}

impl BridgeNetfilter {
    /// The value of the setting.
    #[must_use]
    pub fn value(self) -> &'static str {
        match self {
            Self::On => "1",
            Self::Off => "0",
        }
    }

    /// Refuses what this kernel cannot do.
    pub(super) fn check(self) -> Result<(), LabError> {
        if self == Self::Off || is_possible() {
            return Ok(());
        }
        Err(LabError::Options(format!(
            "bridge netfilter on, but this kernel has no {SETTINGS}; \
             load the module with `modprobe br_netfilter`, or ask for it off"
        )))
    }
}

/// Whether this kernel can hand bridged frames to netfilter.
fn is_possible() -> bool {
    Path::new(SETTINGS).exists()
}

/// Whether writing this setting changes nothing here: a kernel without `br_netfilter` has it off.
pub(super) fn is_off_anyway(key: &str, value: &str) -> bool {
    [CALL_IPTABLES, CALL_IP6TABLES].contains(&key)
        && value == BridgeNetfilter::Off.value()
        && !is_possible()
}
