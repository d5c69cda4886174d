//! Pods by the real CNI bridge plugin, called with what the flannel plugin would hand it.

use std::io::Write;
use std::net::Ipv4Addr;
use std::process::Stdio;

use serde::Deserialize;
use serde_json::json;

use super::plan::Node;
use super::state::Attached;
use super::{RealLab, flannel};
use crate::lab::LabError;
use crate::lab::netns;

/// What the plugin prints (CNI specification 1.0, section 5).
#[derive(Debug, Deserialize)]
struct Answer {
    interfaces: Vec<Interface>,
    ips: Vec<Given>,
}

#[derive(Debug, Deserialize)]
struct Interface {
    name: String,
}

#[derive(Debug, Deserialize)]
struct Given {
    address: String,
}

/// Attaches a pod whose namespace is there.
pub(super) fn add(lab: &RealLab, node: &Node, pod: &str) -> Result<(), LabError> {
    let text = call(lab, node, pod, "ADD")?;
    let wrong = |detail: String| LabError::Answer {
        what: format!("the CNI plugin bridge to add {pod}"),
        detail,
    };
    let answer: Answer =
        serde_json::from_str(&text).map_err(|cause| wrong(format!("{cause} in {text}")))?;
    let address = answer.ips.first().and_then(|given| {
        let (address, _) = given.address.split_once('/')?;
        address.parse::<Ipv4Addr>().ok()
    });
    let mut ports = answer.interfaces.iter();
    let port = ports.find(|port| port.name.starts_with("veth"));
    let (Some(address), Some(port)) = (address, port) else {
        return Err(wrong(format!("neither address nor port in {text}")));
    };
    let attached = Attached {
        address,
        host_veth: port.name.clone(),
    };
    lab.note(|state| {
        state.pods.insert(pod.to_owned(), attached);
    })
}

/// Takes a pod off the network; its namespace stays.
pub(super) fn remove(lab: &RealLab, node: &Node, pod: &str) -> Result<(), LabError> {
    call(lab, node, pod, "DEL")?;
    lab.note(|state| {
        state.pods.remove(pod);
    })
}

/// Calls the plugin in the node's namespace.
fn call(lab: &RealLab, node: &Node, pod: &str, verb: &str) -> Result<String, LabError> {
    let subnet = flannel::subnet(lab, node);
    let settings = json!({
        "cniVersion": "1.0.0",
        "name": "cbr0",
        "type": "bridge",
        "bridge": "cni0",
        "hairpinMode": true,
        "forceAddress": true,
        "isGateway": true,
        "isDefaultGateway": true,
        "ipMasq": !subnet.masquerades,
        "mtu": subnet.mtu,
        "ipam": {
            "type": "host-local",
            "dataDir": lab.file(&node.name).join("cni"),
            "ranges": [[{"subnet": node.pod_cidr()}]],
            "routes": [{"dst": flannel::NETWORK}],
        },
    });
    let plugin = lab.programs().bridge.clone();
    let folder = plugin.parent().unwrap_or(&plugin).to_path_buf();
    let mut command = netns::command(&node.name, &[&plugin.to_string_lossy()]);
    command
        .env("CNI_COMMAND", verb)
        .env("CNI_CONTAINERID", pod)
        .env("CNI_NETNS", netns::handle(pod))
        .env("CNI_IFNAME", "eth0")
        .env("CNI_PATH", folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let failed = |cause| LabError::io(format!("run the CNI plugin bridge {verb} for {pod}"), cause);
    let mut child = command.spawn().map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin
            .write_all(settings.to_string().as_bytes())
            .map_err(failed)?;
    }
    let output = child.wait_with_output().map_err(failed)?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    Err(LabError::Command {
        command: format!("bridge {verb} {pod}"),
        netns: node.name.clone(),
        stderr: text.split_whitespace().collect::<Vec<_>>().join(" "),
    })
}
