//! A recorder of a node, and what a replay of its bundle says beside what the node's observer said live:
//! class, stack and cut packets of every pair have to be the same, and packets nearly so.
//!
//! Never: an expectation of its own about a path.

mod together;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use crate::lab::{ChildGuard, LabError};
use crate::real::await_true::await_true;
use crate::reports::{self, Reports};

/// Patience with a recorder that begins.
const PATIENCE: Duration = Duration::from_secs(10);
/// The class of packets from before their pair was known.
const UNKNOWN: &str = "unknown";
/// Packets of a pair by which a capture may begin or end beside an observer's time.
const SLACK: u64 = 10;
/// What a recorder says first.
const BEGUN: &str = "recording into ";

/// Where a recorder runs and what it writes.
#[derive(Debug, Clone)]
pub(crate) struct Site<'a> {
    /// Name of the node.
    pub(crate) node: &'a str,
    /// The folder of its bundle.
    pub(crate) bundle: PathBuf,
    /// What the recorder says.
    pub(crate) said: PathBuf,
    /// The socket of the node's tailscaled, if it has one.
    pub(crate) tailscaled: Option<PathBuf>,
}

/// A recorder of one node.
#[derive(Debug)]
pub(crate) struct Recorder {
    node: String,
    bundle: PathBuf,
    said: PathBuf,
    process: ChildGuard,
}

/// A bundle of one node.
#[derive(Debug)]
pub(crate) struct Bundle {
    /// The node.
    pub(crate) node: String,
    folder: PathBuf,
}

/// What is said of one pair, live and again.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    pub(crate) about: String,
    pub(crate) live: String,
    pub(crate) again: String,
    pub(crate) is_same: bool,
}

impl Recorder {
    /// Starts the recorder; `spawn` starts a program in the node, with a file for what it says.
    pub(crate) fn start(
        site: Site<'_>,
        observer: &Path,
        spawn: impl FnOnce(&[&str], &Path) -> Result<ChildGuard, LabError>,
    ) -> Result<Self, LabError> {
        let Site {
            node,
            bundle,
            said,
            tailscaled,
        } = site;
        let [program, shown] = [observer, &bundle].map(|path| path.to_string_lossy());
        let mut argv = vec![&*program, "record", &shown, "--node", node];
        let socket = tailscaled.map(|socket| socket.to_string_lossy().into_owned());
        if let Some(socket) = &socket {
            argv.extend(["--tailscale-socket", socket]);
        }
        let process = spawn(&argv, &said)?;
        Ok(Self {
            node: node.to_owned(),
            bundle,
            said,
            process,
        })
    }

    /// Waits until packets are recorded.
    pub(crate) fn await_begun(&self) -> Result<(), LabError> {
        await_true(&format!("the recorder of {}", self.node), PATIENCE, || {
            let said = fs::read_to_string(&self.said).unwrap_or_default();
            if !self.process.is_alive() {
                return Err(ended(&self.node, &said));
            }
            Ok(said.contains(BEGUN))
        })
    }

    /// Ends it, and with it its bundle.
    pub(crate) fn end(self) -> Result<Bundle, LabError> {
        let Self {
            node,
            bundle: folder,
            said,
            process,
        } = self;
        if process.end()?.success() {
            return Ok(Bundle { node, folder });
        }
        let said = fs::read_to_string(said).unwrap_or_default();
        Err(ended(&node, &said))
    }
}

fn ended(node: &str, said: &str) -> LabError {
    LabError::Ended {
        what: format!("the recorder of {node}"),
        detail: said.trim().to_owned(),
    }
}

impl Bundle {
    /// What its replay says beside what the node's observer said; `name` says what an address is called.
    pub(crate) fn compare(
        &self,
        observer: &Path,
        live: &Reports,
        name: impl Fn(&str) -> String,
    ) -> Result<Vec<Row>, LabError> {
        let (again, _) = replay(observer, std::slice::from_ref(self))?;
        Ok(compare(live, &again, name))
    }
}

/// What one replay of all bundles says beside what the observers of all nodes said.
pub(crate) fn compare_together(
    bundles: &[Bundle],
    observer: &Path,
    live: &[&Reports],
    name: impl Fn(&str) -> String,
) -> Result<Vec<Row>, LabError> {
    let (again, document) = replay(observer, bundles)?;
    Ok(together::compare(live, &document, &again, name))
}

/// What a replay says, and its document.
fn replay(observer: &Path, bundles: &[Bundle]) -> Result<(Reports, Value), LabError> {
    let folders = bundles.iter().map(|bundle| &bundle.folder);
    let nodes: Vec<_> = bundles.iter().map(|bundle| bundle.node.as_str()).collect();
    let what = || format!("replay the bundles of {}", nodes.join(", "));
    let output = Command::new(observer).arg("replay").args(folders).output();
    let output = output.map_err(|cause| LabError::io(what(), cause))?;
    let failed = |detail| LabError::Answer {
        what: what(),
        detail,
    };
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(failed(said.trim().to_owned()));
    }
    let wrong = |cause: serde_json::Error| failed(cause.to_string());
    let again = Reports::of_document(&output.stdout).map_err(wrong)?;
    let document = serde_json::from_slice(&output.stdout).map_err(wrong)?;
    Ok((again, document))
}

fn compare(live: &Reports, again: &Reports, name: impl Fn(&str) -> String) -> Vec<Row> {
    let about = |(source, destination)| {
        let [source, destination] = [source, destination].map(&name);
        format!("again {source} > {destination}")
    };
    let said = |reports: &Reports, (source, destination)| {
        let path = reports.path(source, destination);
        path.map_or("-".to_owned(), seen)
    };
    let lost = again.not_captured();
    let mut rows = vec![Row {
        about: "capture".to_owned(),
        live: "0 frames lost".to_owned(),
        again: format!("{lost} frames lost"),
        is_same: lost == 0,
    }];
    // An observer counts the packets from before it knows a pair as unknown; a replay knows all pairs.
    let mut unknown = live.collected(UNKNOWN);
    let not_real = live.paths();
    let not_real = not_real.filter(|path| path.class.as_deref() == Some(UNKNOWN));
    let not_real: u64 = not_real.map(|path| path.packets).sum();
    for pair in live.pairs() {
        let [own, others] = [live, again].map(|reports| reports.path(pair.0, pair.1));
        let [mut live, mut again] = [live, again].map(|reports| said(reports, pair));
        // Until an observer knows the real ends of a translated flow, it has a pair that is none.
        let is_unknown = own.is_some_and(|own| own.class.as_deref() == Some(UNKNOWN));
        let is_same = match (own, others) {
            (Some(own), Some(others)) => {
                let [cut, cut_again] = [own, others].map(|path| path.fragments.wireguard);
                if cut != cut_again {
                    live = format!("{live}, wireguard cut {cut:?}");
                    again = format!("{again}, wireguard cut {cut_again:?}");
                }
                let [own, others] = [own.packets, others.packets];
                let slack = SLACK + own / 50 + unknown + not_real;
                if own.abs_diff(others) > slack {
                    live = format!("{live}, {own} packets");
                    again = format!("{again}, {others} packets, {slack} may differ");
                }
                live == again
            }
            (_, None) => is_unknown,
            (None, Some(_)) => false,
        };
        rows.push(Row {
            about: about(pair),
            live,
            again,
            is_same,
        });
    }
    let is_known = |(source, destination): &(&str, &str)| live.path(source, destination).is_some();
    for pair in again.pairs().filter(|pair| !is_known(pair)) {
        let packets = again.path(pair.0, pair.1).map_or(0, |path| path.packets);
        rows.push(Row {
            about: about(pair),
            live: format!("{packets} of {unknown} unknown packets"),
            again: said(again, pair),
            is_same: packets <= unknown,
        });
        unknown = unknown.saturating_sub(packets);
    }
    rows
}

/// Class, stack, proxy and cut packets by layer.
fn seen(path: &reports::Path) -> String {
    let class = path.class.as_deref().unwrap_or("-");
    let encap = path.encap.as_deref().unwrap_or("-");
    let proxy = if path.proxy == Some(true) {
        ", proxy"
    } else {
        ""
    };
    let cut = path.fragments;
    let layers = [
        ("inner", cut.inner),
        ("vxlan", cut.vxlan),
        ("wireguard", cut.wireguard.unwrap_or_default()),
    ];
    let layers = layers.into_iter().filter(|(_, cut)| *cut > 0);
    let layers: Vec<String> = layers
        .map(|(layer, cut)| format!(", {cut} {layer} cut"))
        .collect();
    format!("{class}, {encap}{proxy}{}", layers.concat())
}

impl fmt::Display for Row {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            about, live, again, ..
        } = self;
        let mark = if self.is_same { ' ' } else { '!' };
        write!(out, "{mark} {about:<20} {live:<51} {again}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reports(paths: &[(&str, &str, u64)]) -> Reports {
        let paths: Vec<_> = paths
            .iter()
            .map(|(source, class, inner)| {
                serde_json::json!({
                    "source": {"address": (!source.is_empty()).then_some(source)},
                    "destination": {"address": (!source.is_empty()).then_some("b")},
                    "class": class, "encap": "vxlan", "packets": 3,
                    "fragments": {"inner": inner, "vxlan": 0},
                })
            })
            .collect();
        let ledger = serde_json::json!({"not_captured": {"no_room": 0, "beyond_size": 0}});
        let document = serde_json::json!({"paths": paths, "ledger": ledger}).to_string();
        Reports::of_document(document.as_bytes()).expect("a document")
    }

    fn same(live: &[(&str, &str, u64)], again: &[(&str, &str, u64)]) -> Vec<bool> {
        let rows = compare(&reports(live), &reports(again), str::to_owned);
        rows.iter().skip(1).map(|row| row.is_same).collect()
    }

    #[test]
    fn class_and_cut_packets_have_to_be_the_same() {
        let live = [("a", "vxlan-lan", 7)];
        assert_eq!(same(&live, &live), [true]);
        assert_eq!(same(&live, &[("a", "vxlan-wan", 7)]), [false]);
        assert_eq!(same(&live, &[("a", "vxlan-lan", 6)]), [false]);
        assert_eq!(same(&live, &[]), [false]);
    }

    #[test]
    fn packets_have_to_be_nearly_the_same() {
        let of = |packets: u64| {
            let ends = [("source", "a"), ("destination", "b")];
            let mut path = serde_json::json!({"class": "vxlan-lan", "packets": packets});
            for (end, address) in ends {
                path[end] = serde_json::json!({"address": address});
            }
            let document = serde_json::json!({"paths": [path]}).to_string();
            Reports::of_document(document.as_bytes()).expect("a document")
        };
        for (packets, is_near) in [(1_000, true), (1_030, true), (970, true), (900, false)] {
            let rows = compare(&of(1_000), &of(packets), str::to_owned);
            assert_eq!(rows[1].is_same, is_near, "{packets}: {rows:?}");
            assert_eq!(
                rows[1].again.contains("30 may differ"),
                !is_near,
                "{rows:?}"
            );
        }
    }

    #[test]
    fn cut_packets_that_are_not_told_are_not_none() {
        let of = |cut: Option<u64>| {
            let document = serde_json::json!({"paths": [{
                "source": {"address": "a"}, "destination": {"address": "b"},
                "class": "vxlan-lan", "packets": 3,
                "fragments": {"inner": 0, "vxlan": 0, "wireguard": cut},
            }]});
            Reports::of_document(document.to_string().as_bytes()).expect("a document")
        };
        for (live, again) in [
            (None, Some(0)),
            (Some(0), None),
            (Some(1), Some(2)),
            (None, None),
        ] {
            let rows = compare(&of(live), &of(again), str::to_owned);
            assert_eq!(rows[1].is_same, live == again, "{rows:?}");
        }
    }

    #[test]
    fn a_pair_that_was_none_may_be_missing() {
        let live = [("a", "unknown", 0)];
        assert_eq!(same(&live, &[]), [true]);
        assert_eq!(same(&live, &live), [true]);
        assert_eq!(same(&live, &[("a", "vxlan-lan", 0)]), [false]);
    }

    #[test]
    fn a_pair_that_was_not_known_live_is_within_what_was_unknown() {
        let again = [("a", "vxlan-lan", 0)];
        assert_eq!(same(&[], &again), [false]);
        assert_eq!(same(&[("", "unknown", 0)], &again), [true]);
        let two = [again[0], ("c", "vxlan-lan", 0)];
        assert_eq!(same(&[("", "unknown", 0)], &two), [true, false]);
    }

    #[test]
    fn lost_frames_are_a_difference() {
        let lost = r#"{"paths":[],"ledger":{"not_captured":{"no_room":2,"no_reader":1}}}"#;
        let lost = Reports::of_document(lost.as_bytes()).expect("a document");
        let rows = compare(&Reports::default(), &lost, str::to_owned);
        assert!(
            !rows[0].is_same && rows[0].again.starts_with("3 "),
            "{rows:?}"
        );
    }
}
