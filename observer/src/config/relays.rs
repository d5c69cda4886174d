//! The setting `relays`: where DERP relays listen, as address and port.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use observer_ebpf::abi::relay::RELAYS;

use super::{ConfigError, in_range};

/// Each once. A name is refused: what it stands for may change, and nothing asks again.
pub(super) fn check(given: &[String]) -> Result<BTreeSet<SocketAddr>, ConfigError> {
    let relays = given
        .iter()
        .map(|text| relay(text))
        .collect::<Result<BTreeSet<_>, _>>()?;
    in_range(
        "relays",
        relays.len() as u128,
        0..=RELAYS.into(),
        "at most 256",
    )?;
    Ok(relays)
}

fn relay(text: &str) -> Result<SocketAddr, ConfigError> {
    let wrong = |reason: &str| ConfigError::Range {
        key: "relays",
        value: text.to_owned(),
        reason: reason.to_owned(),
    };
    let relay: SocketAddr = text.parse().map_err(|_| {
        wrong("write an address and a port, as in 192.0.2.1:443 or [2001:db8::1]:443")
    })?;
    if relay.ip().is_unspecified() {
        return Err(wrong("this is no address that anything listens at"));
    }
    if relay.port() == 0 {
        return Err(wrong("nothing listens at port 0"));
    }
    Ok(relay)
}
