//! The protocol counters of a namespace: `/proc/net/snmp`, `/proc/net/netstat` and `/proc/net/snmp6`.
//!
//! On a node with `bridge-nf-call-iptables=1` the `IpReasm` and `IpFrag` counters also count
//! fragments that a pod made, because the bridge reassembles and cuts again.

use std::collections::BTreeMap;
use std::fs;
use std::io;

use serde::Serialize;

use super::OracleError;
use crate::lab::LabError;
use crate::lab::netns;

/// Counters by name, for example `IpFragCreates`, `Ip6FragCreates` or `TcpRetransSegs`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counters(BTreeMap<String, i64>);

/// A thread's own files: `/proc/net` would be that of the process.
const FILES: [&str; 2] = [
    "/proc/thread-self/net/snmp",
    "/proc/thread-self/net/netstat",
];
/// Those of IPv6, one a line; missing where the kernel has none.
const SIX: &str = "/proc/thread-self/net/snmp6";

impl Counters {
    /// All counters of a namespace as they are.
    pub fn read(netns: &str) -> Result<Self, OracleError> {
        let read = || (FILES.map(fs::read_to_string), fs::read_to_string(SIX));
        let (texts, six) = netns::within(netns, read)?;
        let mut counters = BTreeMap::new();
        for (path, text) in FILES.iter().zip(texts) {
            let text =
                text.map_err(|cause| LabError::io(format!("read {path} in {netns}"), cause))?;
            parse(&text, &mut counters).ok_or_else(|| OracleError::Form {
                what: (*path).to_owned(),
                netns: netns.to_owned(),
                reason: "names and values do not pair up".into(),
            })?;
        }
        match six {
            Ok(text) => parse_six(&text, &mut counters).ok_or_else(|| OracleError::Form {
                what: SIX.to_owned(),
                netns: netns.to_owned(),
                reason: "a line is no name and value".into(),
            })?,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
            Err(cause) => {
                return Err(LabError::io(format!("read {SIX} in {netns}"), cause).into());
            }
        }
        Ok(Self(counters))
    }

    /// One counter; 0 if this kernel does not have it.
    #[must_use]
    pub fn get(&self, name: &str) -> i64 {
        self.0.get(name).copied().unwrap_or_default()
    }

    /// What was added since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let grown = self
            .0
            .iter()
            .map(|(name, value)| (name.clone(), value - earlier.get(name)));
        Self(grown.filter(|(_, growth)| *growth != 0).collect())
    }

    /// All counters that are not zero, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, i64)> {
        self.0.iter().map(|(name, value)| (name.as_str(), *value))
    }
}

/// Pairs of lines `Ip: names...` and `Ip: values...`.
fn parse(text: &str, counters: &mut BTreeMap<String, i64>) -> Option<()> {
    let lines: Vec<&str> = text.lines().collect();
    for pair in lines.chunks(2) {
        let [names, values] = pair else { return None };
        let (protocol, names) = names.split_once(": ")?;
        let (same, values) = values.split_once(": ")?;
        let names: Vec<&str> = names.split_whitespace().collect();
        let values: Vec<&str> = values.split_whitespace().collect();
        if protocol != same || names.len() != values.len() {
            return None;
        }
        for (name, value) in names.iter().zip(values) {
            // Some are unsigned and above the signed range; none that a lab compares.
            let value = value.parse().unwrap_or(i64::MAX);
            counters.insert(format!("{protocol}{name}"), value);
        }
    }
    Some(())
}

/// Reads lines of a name, which carries its protocol, and a value.
fn parse_six(text: &str, counters: &mut BTreeMap<String, i64>) -> Option<()> {
    for line in text.lines() {
        let (name, value) = line.split_once(char::is_whitespace)?;
        let value = value.trim().parse().unwrap_or(i64::MAX);
        counters.insert(name.to_owned(), value);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::{BTreeMap, Counters, FILES, SIX, parse, parse_six};

    #[test]
    fn names_carry_their_protocol() {
        let mut counters = BTreeMap::new();
        let text = "Ip: FragOKs FragCreates\nIp: 1 2\nTcp: MaxConn\nTcp: -1\n";
        assert_eq!(parse(text, &mut counters), Some(()));
        let counters = Counters(counters);
        let found = ["IpFragOKs", "IpFragCreates", "TcpMaxConn"].map(|name| counters.get(name));
        assert_eq!(found, [1, 2, -1]);
    }

    #[test]
    fn counters_that_scenarios_compare_are_in_this_kernel() {
        let mut counters = BTreeMap::new();
        for path in FILES {
            let text = std::fs::read_to_string(path).expect("readable");
            parse(&text, &mut counters).expect("known form");
        }
        let six = std::fs::read_to_string(SIX).expect("readable");
        parse_six(&six, &mut counters).expect("known form");
        let fragments = [
            "FragCreates",
            "FragOKs",
            "FragFails",
            "ReasmReqds",
            "ReasmOKs",
        ];
        let names = fragments.map(|name| format!("Ip{name}"));
        let six = fragments.map(|name| format!("Ip6{name}"));
        let tcp = ["TcpRetransSegs", "TcpOutSegs"].map(str::to_owned);
        for name in names.iter().chain(&six).chain(&tcp) {
            assert!(counters.contains_key(name), "{name}");
        }
    }

    #[test]
    fn lines_that_do_not_pair_up_are_refused() {
        assert_eq!(parse("Ip: A B\nIp: 1\n", &mut BTreeMap::new()), None);
        assert_eq!(parse_six("Ip6InReceives\n", &mut BTreeMap::new()), None);
    }

    #[test]
    fn difference_keeps_only_what_moved() {
        let of = |a, b| Counters(BTreeMap::from([("A".to_owned(), a), ("B".to_owned(), b)]));
        let moved = of(5, 7).since(&of(5, 3));
        assert_eq!(moved.iter().collect::<Vec<_>>(), [("B", 4)]);
    }
}
