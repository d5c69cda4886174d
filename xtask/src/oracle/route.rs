//! `ip route get`: what the kernel's own lookup says, rules and marks included.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{OracleError, ask};

/// A lookup to be made.
#[derive(Debug, Clone, Copy, Default)]
pub struct Question<'a> {
    /// Source address; with `iif` the packet counts as forwarded.
    pub from: Option<IpAddr>,
    /// Device the packet came in by.
    pub iif: Option<&'a str>,
    /// Its mark.
    pub mark: Option<u32>,
}

/// The kernel's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Where to.
    pub dst: String,
    /// Next hop, if not on the link.
    pub gateway: Option<String>,
    /// Device it leaves by.
    pub dev: Option<String>,
    /// Source address a local sender gets.
    pub prefsrc: Option<String>,
    /// Routing table, if not main.
    pub table: Option<String>,
}

/// Asks the kernel of a namespace for the route to an address.
pub fn get(
    netns: &str,
    to: impl Into<IpAddr>,
    question: Question<'_>,
) -> Result<Route, OracleError> {
    let to = to.into();
    let mut command = std::process::Command::new("ip");
    command.args(["-n", netns, "-j", "route", "get", &to.to_string()]);
    if let Some(from) = question.from {
        command.args(["from", &from.to_string()]);
    }
    if let Some(iif) = question.iif {
        command.args(["iif", iif]);
    }
    if let Some(mark) = question.mark {
        command.args(["mark", &format!("{mark:#x}")]);
    }
    let mut routes: Vec<Route> = ask(command)?;
    routes.pop().ok_or_else(|| OracleError::Form {
        what: format!("route to {to}"),
        netns: netns.to_owned(),
        reason: "the answer is empty".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::Route;

    #[test]
    fn answer_of_iproute2_is_read() {
        let text = r#"[{"dst":"100.64.0.9","dev":"tailscale0","table":"52","prefsrc":"100.64.0.1",
            "flags":[],"uid":0,"cache":[]}]"#;
        let routes: Vec<Route> = serde_json::from_str(text).expect("known form");
        let route = &routes[0];
        assert_eq!(route.dev.as_deref(), Some("tailscale0"));
        assert_eq!(
            (route.table.as_deref(), &route.gateway),
            (Some("52"), &None)
        );
    }
}
