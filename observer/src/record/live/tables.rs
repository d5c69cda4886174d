//! The tables of a node as the standard tools print them, one file each. Without the devices and their
//! addresses there is no bundle; any other table that cannot be had is missing in it, and said to be.
//!
//! Never: a table changed, a document read for its meaning.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::RecordError;

/// (file, command) of the tables that have to be there.
const DEVICES: [(&str, &str); 2] = [
    ("ip-link.json", "ip -j -d link"),
    ("ip-address.json", "ip -j address"),
];
/// Those that may be missing.
const OTHERS: [(&str, &str); 6] = [
    ("ip-rule.json", "ip -j rule"),
    ("ip6-rule.json", "ip -6 -j rule"),
    ("ip-route.json", "ip -j route show table all"),
    ("ip6-route.json", "ip -6 -j route show table all"),
    ("ip-neighbour.json", "ip -j neighbour"),
    ("bridge-fdb.json", "bridge -j fdb"),
];
const PROTOCOLS: &str = "/proc/net/snmp";

/// The devices and their addresses at one moment.
pub(super) struct Devices([Vec<Value>; 2]);

impl Devices {
    /// What is there.
    pub(super) fn read() -> Result<Self, RecordError> {
        let mut both = [Vec::new(), Vec::new()];
        for ((_, command), list) in DEVICES.iter().zip(&mut both) {
            let failed = |reason: String| RecordError::Table {
                command: (*command).to_owned(),
                reason,
            };
            let text = output(command).map_err(failed)?;
            *list = serde_json::from_slice(&text).map_err(|error| failed(error.to_string()))?;
        }
        Ok(Self(both))
    }

    /// Writes these, and those of `before` that are gone meanwhile.
    pub(super) fn write(mut self, before: Self, folder: &Path) -> Result<(), RecordError> {
        let number = |entry: &Value| entry.get("ifindex").and_then(Value::as_u64);
        for ((name, _), (list, before)) in DEVICES.iter().zip(self.0.iter_mut().zip(before.0)) {
            let there: BTreeSet<_> = list.iter().filter_map(number).collect();
            let is_gone = |entry: &Value| number(entry).is_some_and(|own| !there.contains(&own));
            list.extend(before.into_iter().filter(is_gone));
            let text = Value::from(std::mem::take(list)).to_string();
            write(folder, name, text.as_bytes())?;
        }
        Ok(())
    }
}

/// Writes the other tables; says which are missing, and why.
pub(super) fn write_others(folder: &Path) -> Result<(), RecordError> {
    for (name, command) in OTHERS {
        match output(command) {
            Ok(text) => write(folder, name, &text)?,
            Err(reason) => super::missing(name, &format!("run `{command}`: {reason}")),
        }
    }
    Ok(())
}

/// Writes the counters of the protocols as they are now.
pub(super) fn write_protocols(folder: &Path, name: &str) -> Result<(), RecordError> {
    match fs::read(PROTOCOLS) {
        Ok(text) => write(folder, name, &text),
        Err(error) => {
            super::missing(name, &format!("read {PROTOCOLS}: {error}"));
            Ok(())
        }
    }
}

/// Writes a file of the bundle.
pub(super) fn write(folder: &Path, name: &str, text: &[u8]) -> Result<(), RecordError> {
    let path = folder.join(name);
    fs::write(&path, text).map_err(|source| RecordError::Write { path, source })
}

/// What a command prints, or why it does not.
fn output(command: &str) -> Result<Vec<u8>, String> {
    let mut words = command.split(' ');
    let mut process = Command::new(words.next().unwrap_or_default());
    let output = process.args(words).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{error}; it is part of iproute2"))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said: Vec<_> = said.split_whitespace().collect();
    Err(format!("{}: {}", output.status, said.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_is_gone_stays_in_the_bundle() {
        let devices = |names: &[(u64, &str)]| {
            let entry = |&(ifindex, ifname): &(u64, &str)| serde_json::json!({"ifindex": ifindex, "ifname": ifname});
            let list: Vec<_> = names.iter().map(entry).collect();
            Devices([list.clone(), list])
        };
        let folder = std::env::temp_dir().join(format!("netpath-devices-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let before = devices(&[(1, "lo"), (7, "veth7"), (8, "old")]);
        let written = devices(&[(1, "lo"), (8, "new")]).write(before, &folder);
        let text = fs::read_to_string(folder.join("ip-link.json"));
        fs::remove_dir_all(&folder).expect("the folder");
        written.expect("written");
        let list: Vec<Value> = serde_json::from_str(&text.expect("text")).expect("a list");
        let names: Vec<_> = list.iter().map(|entry| entry["ifname"].as_str()).collect();
        assert_eq!(names, [Some("lo"), Some("new"), Some("veth7")]);
    }

    #[test]
    fn a_command_that_fails_says_why() {
        let said = output("ip -j no-such-object").expect_err("no such object");
        assert!(said.contains("no-such-object"), "{said}");
        let said = output("no-such-tool").expect_err("no such tool");
        assert!(said.contains("iproute2"), "{said}");
    }
}
