//! Carries out the steps of a lab: consecutive lines for one tool and namespace become one batch.
//! It stops at the first refusal; the guard above cleans up.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::net::if_::if_nametoindex;

use super::bridge_netfilter;
use super::error::LabError;
use super::netns::{self, Tool, batch};
use super::process::Identity;
use super::record::{Ledger, Processes};
use super::steps::{Helper, Step};

/// How long a device of one of our processes may take.
const DEVICE_PATIENCE: Duration = Duration::from_secs(5);
/// Device creation by another process has no event without a netlink socket of our own.
const POLL: Duration = Duration::from_millis(2);

/// Runs all steps. `program` is the executable with the hidden verbs `wireguard`, `delay` and `relay`.
pub(crate) fn execute(
    steps: &[Step],
    ledger: &Ledger,
    program: &Path,
    children: &mut Vec<(Identity, Child)>,
) -> Result<(), LabError> {
    for group in
        steps.chunk_by(|one, other| batch_of(one).is_some() && batch_of(one) == batch_of(other))
    {
        let Some(first) = group.first() else { continue };
        if let Some((tool, netns)) = batch_of(first) {
            let lines: Vec<String> = group.iter().map(line).collect();
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            batch(tool, netns, &lines)?;
            continue;
        }
        match first {
            Step::Sysctl { key, value, .. } if bridge_netfilter::is_off_anyway(key, value) => {}
            Step::Sysctl { netns, key, value } => netns::write_sysctl(netns, key, value)?,
            Step::Nft { netns, ruleset } => batch(Tool::Nft, Some(netns), &[ruleset])?,
            Step::Start {
                netns,
                name,
                helper,
            } => {
                children.push(start(netns, name, helper, ledger, program)?);
            }
            Step::Await {
                netns,
                device,
                process,
            } => {
                await_device(netns, device, process, ledger, children)?;
            }
            Step::Namespace(_) | Step::Ip { .. } | Step::Ip6 { .. } | Step::Bridge { .. } => {}
        }
    }
    Ok(())
}

/// The tool and namespace of a step that can be batched with its neighbours.
fn batch_of(step: &Step) -> Option<(Tool, Option<&str>)> {
    match step {
        Step::Namespace(_) => Some((Tool::Ip, None)),
        Step::Ip { netns, .. } => Some((Tool::Ip, Some(netns))),
        Step::Ip6 { netns, .. } => Some((Tool::Ip6, Some(netns))),
        Step::Bridge { netns, .. } => Some((Tool::Bridge, Some(netns))),
        Step::Sysctl { .. } | Step::Nft { .. } | Step::Start { .. } | Step::Await { .. } => None,
    }
}

/// The batch line of a step.
fn line(step: &Step) -> String {
    match step {
        Step::Namespace(name) => format!("netns add {name}"),
        Step::Ip { line, .. } | Step::Ip6 { line, .. } | Step::Bridge { line, .. } => line.clone(),
        Step::Sysctl { .. } | Step::Nft { .. } | Step::Start { .. } | Step::Await { .. } => {
            String::new()
        }
    }
}

/// Starts one of our own processes with its configuration file beside the record.
fn start(
    netns: &str,
    name: &str,
    helper: &Helper,
    ledger: &Ledger,
    program: &Path,
) -> Result<(Identity, Child), LabError> {
    let (verb, config) = match helper {
        Helper::Wireguard(config) => ("wireguard", serde_json::to_string_pretty(config)),
        Helper::Delay(config) => ("delay", serde_json::to_string_pretty(config)),
        Helper::Relay(config) => ("relay", serde_json::to_string_pretty(config)),
    };
    let path = ledger.directory().join(format!("{name}.json"));
    let failed = |cause| LabError::io(format!("write {}", path.display()), cause);
    let text = config.map_err(|cause| failed(cause.into()))?;
    fs::write(&path, text).map_err(failed)?;
    let (program, config) = (program.to_string_lossy(), path.to_string_lossy());
    let argv = [program.as_ref(), verb, "--config", config.as_ref()];
    spawn(netns, &argv, &log_path(ledger, name), name, ledger)
}

/// Starts any process in a namespace and writes it into the record.
pub(crate) fn spawn(
    netns: &str,
    argv: &[&str],
    log: &Path,
    what: &str,
    ledger: &dyn Processes,
) -> Result<(Identity, Child), LabError> {
    use std::os::unix::process::CommandExt;
    let failed = |cause| LabError::io(format!("start {} in {netns}", argv.join(" ")), cause);
    let out = File::create(log).map_err(failed)?;
    let err = out.try_clone().map_err(failed)?;
    let mut child = netns::command(netns, argv)
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(err)
        // Ctrl-C at the terminal goes to the owner, who takes the lab down in order.
        .process_group(0)
        .spawn()
        .map_err(failed)?;
    let pid = i32::try_from(child.id()).unwrap_or_default();
    let recorded = match Identity::of(pid, what) {
        Some(identity) => {
            let noted = ledger.note(identity.clone());
            noted.map(|()| identity)
        }
        None => Err(LabError::Ended {
            what: argv.join(" "),
            detail: tail(log),
        }),
    };
    match recorded {
        Ok(identity) => Ok((identity, child)),
        Err(cause) => {
            // A process that no record names would outlive the lab.
            child.kill().and_then(|()| child.wait()).map_err(failed)?;
            Err(cause)
        }
    }
}

/// Where the output of one of our processes goes.
fn log_path(ledger: &Ledger, name: &str) -> std::path::PathBuf {
    ledger.directory().join(format!("{name}.log"))
}

/// The last lines of a log.
pub(crate) fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().rev().take(3).collect();
    if lines.is_empty() {
        return format!("{} is empty", log.display());
    }
    lines.into_iter().rev().collect::<Vec<_>>().join(" | ")
}

/// Waits until the device is there or the process that should make it has ended.
fn await_device(
    netns: &str,
    device: &str,
    process: &str,
    ledger: &Ledger,
    children: &mut [(Identity, Child)],
) -> Result<(), LabError> {
    let begun = Instant::now();
    let log = log_path(ledger, process);
    while netns::within(netns, || if_nametoindex(device).is_err())? {
        let own = children
            .iter_mut()
            .find(|(identity, _)| identity.what == process);
        if own.is_some_and(|(_, child)| matches!(child.try_wait(), Ok(Some(_)))) {
            return Err(LabError::Ended {
                what: process.to_owned(),
                detail: tail(&log),
            });
        }
        if begun.elapsed() > DEVICE_PATIENCE {
            return Err(LabError::Timeout {
                what: format!("device {device} in {netns}"),
                seconds: begun.elapsed().as_secs_f64(),
                detail: tail(&log),
            });
        }
        thread::sleep(POLL);
    }
    Ok(())
}
