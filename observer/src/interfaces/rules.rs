//! Settings: which device names play which role. Names only; kinds are fixed by the role.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

/// Name patterns of the roles and limits of the points.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    /// The pod bridge. Its veth ports are the pod ports.
    pub bridge: Vec<NamePattern>,
    /// VXLAN devices of the pod network.
    pub overlay: Vec<NamePattern>,
    /// TUN devices of tailscaled.
    pub tunnel: Vec<NamePattern>,
    /// WireGuard devices of flannel.
    pub flannel_wg: Vec<NamePattern>,
    /// Devices that are underlays when they are up and carry a default route or hold an address.
    /// What a VTEP or a tailnet endpoint is routed through is an underlay whatever its name.
    pub underlay: Vec<NamePattern>,
    /// Pod ports at most; further ports are blind spots.
    pub ports: usize,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            bridge: vec![NamePattern::exact("cni0")],
            overlay: vec![
                NamePattern::starting("flannel."),
                NamePattern::starting("flannel-v6."),
            ],
            tunnel: vec![NamePattern::starting("tailscale")],
            flannel_wg: vec![NamePattern::starting("flannel-wg")],
            underlay: vec![
                NamePattern::starting("lima"),
                NamePattern::starting("eth"),
                NamePattern::starting("en"),
            ],
            ports: 64,
        }
    }
}

/// A device name, or the beginning of one followed by `*`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct NamePattern {
    text: String,
    any_end: bool,
}

/// A text that is no name pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("read device name pattern `{0}`: needs 1 to 15 characters, with `*` at the end only")]
pub struct PatternError(String);

/// A device name has at most this many bytes (`IFNAMSIZ` without its zero).
const LONGEST_NAME: usize = 15;

impl NamePattern {
    fn exact(name: &str) -> Self {
        Self {
            text: name.to_owned(),
            any_end: false,
        }
    }

    fn starting(name: &str) -> Self {
        Self {
            text: name.to_owned(),
            any_end: true,
        }
    }

    /// True if `name` is of this pattern.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        if self.any_end {
            name.starts_with(&self.text)
        } else {
            name == self.text
        }
    }
}

/// True if one of `patterns` matches.
pub(crate) fn any_matches(patterns: &[NamePattern], name: &str) -> bool {
    patterns.iter().any(|pattern| pattern.matches(name))
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        f.write_str(if self.any_end { "*" } else { "" })
    }
}

impl FromStr for NamePattern {
    type Err = PatternError;

    fn from_str(pattern: &str) -> Result<Self, PatternError> {
        let (text, any_end) = pattern
            .strip_suffix('*')
            .map_or((pattern, false), |beginning| (beginning, true));
        if text.is_empty() || text.len() > LONGEST_NAME || text.contains('*') {
            return Err(PatternError(pattern.to_owned()));
        }
        Ok(Self {
            text: text.to_owned(),
            any_end,
        })
    }
}

impl TryFrom<String> for NamePattern {
    type Error = PatternError;

    fn try_from(text: String) -> Result<Self, PatternError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_patterns_are_written_as_they_are_read() {
        let rules = Rules::default();
        for patterns in [
            rules.bridge,
            rules.overlay,
            rules.tunnel,
            rules.flannel_wg,
            rules.underlay,
        ] {
            for pattern in patterns {
                assert_eq!(pattern.to_string().parse(), Ok(pattern));
            }
        }
    }

    #[test]
    fn a_star_at_the_end_matches_any_end() {
        let pattern: NamePattern = "lima*".parse().unwrap();
        assert!(pattern.matches("lima0") && pattern.matches("lima"));
        assert!(!pattern.matches("xlima0"));
        let whole: NamePattern = "cni0".parse().unwrap();
        assert!(whole.matches("cni0") && !whole.matches("cni01"));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in ["", "*", "li*ma", "**", "a-name-of-sixteen"] {
            assert!(text.parse::<NamePattern>().is_err(), "{text}");
        }
    }
}
