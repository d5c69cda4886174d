//! Real flanneld on every node, with etcd as its store, as k3s runs it inside itself. The lab writes
//! the network's settings and which subnet a node has; all else is flanneld's own work.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use super::RealLab;
use super::await_true::await_true;
use super::http::post;
use super::plan::{CONTROL, INET, Node};
use crate::lab::LabError;

/// The network of all pods.
pub const NETWORK: &str = "10.42.0.0/16";
/// Patience with a daemon; it writes its file within two seconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// How flannel carries packets from node to node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// VXLAN, udp/8472.
    Vxlan,
    /// Plain routes.
    HostGw,
}

/// What flanneld tells the CNI plugin (`subnet.env`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subnet {
    /// MTU of pods and bridge.
    pub mtu: u32,
    /// Whether flanneld masquerades, so that the plugin does not.
    pub masquerades: bool,
}

/// Starts the store.
pub(super) fn start_store(lab: &RealLab) -> Result<(), LabError> {
    let folder = lab.folder("etcd")?;
    let listen = format!("http://{CONTROL}:2379");
    lab.start(
        INET,
        "etcd",
        &[
            &lab.programs().etcd.to_string_lossy(),
            "--data-dir",
            &folder.to_string_lossy(),
            "--listen-client-urls",
            &listen,
            "--advertise-client-urls",
            &listen,
            "--listen-peer-urls",
            "http://127.0.0.1:2380",
            "--log-level",
            "error",
            "--unsafe-no-fsync",
        ],
    )
}

/// Writes the settings of the network; daemons read them when they start.
pub(super) fn configure(backend: Backend) -> Result<(), LabError> {
    let kind = match backend {
        Backend::Vxlan => "vxlan",
        Backend::HostGw => "host-gw",
    };
    let settings = format!(
        "{{\"Network\":\"{NETWORK}\",\"SubnetLen\":24,\"SubnetMin\":\"10.42.1.0\",\
         \"EnableNFTables\":true,\"Backend\":{{\"Type\":\"{kind}\"}}}}"
    );
    let body = format!(
        "{{\"key\":\"{}\",\"value\":\"{}\"}}",
        base64("/coreos.com/network/config"),
        base64(&settings)
    );
    tell_store("put", &body)
}

/// Removes what the store knows of a node. It ties a subnet to the address that flanneld had: with
/// another one the node would get another subnet. A cluster's store ties both to the node.
pub(super) fn forget(node: &Node) -> Result<(), LabError> {
    let key = format!("/coreos.com/network/subnets/{}-24", node.pod_network);
    tell_store("deleterange", &format!("{{\"key\":\"{}\"}}", base64(&key)))
}

/// A call to the store, once it answers.
fn tell_store(call: &str, body: &str) -> Result<(), LabError> {
    await_true("etcd", PATIENCE, || {
        let path = format!("/v3/kv/{call}");
        Ok(post(INET, CONTROL, 2379, &path, body)? == Some(200))
    })
}

/// Starts the daemon of a node on a device (`--iface`) and waits until pods can be made.
pub(super) fn start(lab: &RealLab, node: &Node, device: &str) -> Result<(), LabError> {
    let file = file(lab, node);
    lab.folder(&node.name)?;
    // With a subnet of its own from earlier, flanneld asks for the same again; it gets another one if
    // the store has that for a different public address.
    write(lab, node, 0, true)?;
    let lease = format!("/coreos.com/network/subnets/{}-24", node.pod_network);
    let body = format!("{{\"key\":\"{}\"}}", base64(&lease));
    post(INET, CONTROL, 2379, "/v3/kv/deleterange", &body)?;
    let before = modified(&file);
    lab.start(
        &node.name,
        &process(node),
        &[
            &lab.programs().flannel.to_string_lossy(),
            &format!("--etcd-endpoints=http://{CONTROL}:2379"),
            &format!("--iface={device}"),
            "--ip-masq",
            &format!("--subnet-file={}", file.display()),
            "-v=1",
        ],
    )?;
    await_true(&format!("flanneld of {}", node.name), PATIENCE, || {
        lab.is_running(&process(node))?;
        Ok(modified(&file) != before && subnet(lab, node).mtu > 0)
    })
}

/// Ends the daemon; what it made stays.
pub(super) fn stop(lab: &RealLab, node: &Node) -> Result<(), LabError> {
    lab.stop(&process(node))
}

/// Writes a node's `subnet.env` where no flanneld does.
pub(super) fn write(
    lab: &RealLab,
    node: &Node,
    mtu: u32,
    masquerades: bool,
) -> Result<(), LabError> {
    let gateway = node.pod_address(1);
    let text = format!(
        "FLANNEL_NETWORK={NETWORK}\nFLANNEL_SUBNET={gateway}/24\nFLANNEL_MTU={mtu}\n\
         FLANNEL_IPMASQ={masquerades}\n"
    );
    lab.folder(&node.name)?;
    lab.write(&format!("{}/subnet.env", node.name), &text)
        .map(|_| ())
}

/// What the CNI plugin reads.
pub(super) fn subnet(lab: &RealLab, node: &Node) -> Subnet {
    let text = fs::read_to_string(file(lab, node)).unwrap_or_default();
    let value = |key: &str| {
        let mut lines = text.lines();
        lines.find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
    };
    Subnet {
        mtu: value("FLANNEL_MTU")
            .and_then(|text| text.parse().ok())
            .unwrap_or_default(),
        masquerades: value("FLANNEL_IPMASQ") == Some("true"),
    }
}

fn file(lab: &RealLab, node: &Node) -> PathBuf {
    lab.file(&node.name).join("subnet.env")
}

fn modified(path: &PathBuf) -> Option<std::time::SystemTime> {
    fs::metadata(path).and_then(|data| data.modified()).ok()
}

fn process(node: &Node) -> String {
    format!("flanneld-{}", node.name)
}

/// Base64 with padding (RFC 4648), as etcd's gateway wants keys and values.
fn base64(text: &str) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut coded = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let [one, two, three] = [0, 1, 2].map(|at| u32::from(chunk.get(at).copied().unwrap_or(0)));
        let bits = one << 16 | two << 8 | three;
        for (at, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            let letter = LETTERS.get((bits >> shift & 0x3f) as usize).copied();
            coded.push(if at <= chunk.len() {
                letter.map_or('=', char::from)
            } else {
                '='
            });
        }
    }
    coded
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn base64_is_that_of_the_rfc() {
        let coded = ["", "f", "fo", "foo", "foob", "fooba", "foobar"].map(base64);
        let wanted = [
            "", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy",
        ];
        assert_eq!(coded, wanted);
    }
}
