//! Bundles written by hand into a folder of their own.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

pub(crate) const RAW: u32 = 101;

static FOLDERS: AtomicU32 = AtomicU32::new(0);

/// A bundle, removed at the end.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(node: &str, links: &[Link]) -> Self {
        let number = FOLDERS.fetch_add(1, Ordering::SeqCst);
        let name = format!("netpath-replay-{}-{number}", std::process::id());
        let folder = Self(std::env::temp_dir().join(name));
        fs::create_dir_all(folder.0.join("packets")).expect("a folder");
        let about = json!({"version": 1, "node": node, "cluster_cidr": "10.42.0.0/16"});
        folder.write("bundle.json", about.to_string().as_bytes());
        let shown: Vec<_> = links.iter().map(Link::shown).collect();
        folder.write("ip-link.json", Value::from(shown).to_string().as_bytes());
        let held: Vec<_> = links.iter().map(Link::held).collect();
        folder.write("ip-address.json", Value::from(held).to_string().as_bytes());
        folder
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.0.join(name), bytes).expect("a file");
    }

    pub(crate) fn remove(&self, name: &str) {
        fs::remove_file(self.0.join(name)).expect("a file");
    }

    pub(crate) fn link(&self, name: &str, target: &str) {
        std::os::unix::fs::symlink(target, self.0.join(name)).expect("a link");
    }

    pub(crate) fn cut(&self, name: &str, length: usize) {
        let bytes = fs::read(self.0.join(name)).expect("a file");
        self.write(name, &bytes[..length]);
    }

    /// A capture of frames with their times in microseconds.
    pub(crate) fn pcap(&self, name: &str, link: u32, frames: &[(u32, Vec<u8>)]) {
        self.pcap_of(name, link, frames, usize::MAX);
    }

    /// The same with so many bytes of each frame at most.
    pub(crate) fn pcap_of(&self, name: &str, link: u32, frames: &[(u32, Vec<u8>)], most: usize) {
        let mut file = 0xa1b2_c3d4_u32.to_le_bytes().to_vec();
        file.extend([2, 0, 4, 0]);
        file.extend([0, 0, 262_144, link].map(u32::to_le_bytes).concat());
        for (time, bytes) in frames {
            let length = u32::try_from(bytes.len()).expect("a frame's length");
            let seconds = 1_700_000_000 + time / 1_000_000;
            let kept = &bytes[..most.min(bytes.len())];
            let captured = u32::try_from(kept.len()).expect("a frame's length");
            let head = [seconds, time % 1_000_000, captured, length];
            file.extend(head.map(u32::to_le_bytes).concat());
            file.extend(kept);
        }
        self.write(&format!("packets/{name}"), &file);
    }

    /// The frames of a capture that [`Self::pcap`] wrote.
    pub(crate) fn frames(&self, name: &str) -> Vec<(u32, Vec<u8>)> {
        let bytes = fs::read(self.0.join(name)).expect("a file");
        let mut rest = &bytes[24..];
        let mut frames = Vec::new();
        while !rest.is_empty() {
            let word =
                |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().expect("4 bytes"));
            let end = 16 + word(8) as usize;
            let time = (word(0) - 1_700_000_000) * 1_000_000 + word(4);
            frames.push((time, rest[16..end].to_vec()));
            rest = &rest[end..];
        }
        frames
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).expect("the folder");
    }
}

/// A device as the tools print it.
pub(crate) struct Link {
    number: u32,
    name: &'static str,
    kind: Value,
    mtu: u32,
    address: String,
    length: u8,
}

impl Link {
    /// The devices of node 1 or 2.
    pub(crate) fn of_a_node(node: u8) -> Vec<Self> {
        let link = |number, name, kind, mtu, (address, length)| Self {
            number,
            name,
            kind,
            mtu,
            address,
            length,
        };
        let vxlan =
            json!({"info_kind": "vxlan", "info_data": {"id": 1, "port": 8472, "link": "eth0"}});
        let lan = (format!("192.168.7.1{node}"), 24);
        let pods = (format!("10.42.{node}.1"), 24);
        vec![
            link(2, "eth0", Value::Null, 1_500, lan),
            link(3, "cni0", json!({"info_kind": "bridge"}), 1_450, pods),
            link(
                4,
                "flannel.1",
                vxlan,
                1_450,
                (format!("10.42.{node}.0"), 32),
            ),
            link(
                5,
                "tailscale0",
                json!({"info_kind": "tun"}),
                1_280,
                (format!("100.64.0.{node}"), 32),
            ),
        ]
    }

    fn shown(&self) -> Value {
        let is_tunnel = self.name == "tailscale0";
        // The hardware address that the fixtures' frames go to.
        let mac = if self.name == "cni0" {
            "02:42:0a:2a:02:03"
        } else {
            "52:54:00:00:00:01"
        };
        let mut shown = json!({
            "ifindex": self.number, "ifname": self.name, "mtu": self.mtu,
            "flags": ["BROADCAST", "UP", "LOWER_UP"],
            "link_type": if is_tunnel { "none" } else { "ether" },
        });
        if !is_tunnel {
            shown["address"] = mac.into();
        }
        if !self.kind.is_null() {
            shown["linkinfo"] = self.kind.clone();
        }
        shown
    }

    fn held(&self) -> Value {
        let held = json!({"family": "inet", "local": self.address, "prefixlen": self.length});
        json!({"ifindex": self.number, "ifname": self.name, "addr_info": [held]})
    }
}

/// An Ethernet frame as `tcpdump -i any` shows it at an interface.
pub(crate) fn cooked(ifindex: u32, kind: u8, frame: &[u8]) -> Vec<u8> {
    let mut bytes = frame[12..14].to_vec();
    bytes.extend([0, 0]);
    bytes.extend(ifindex.to_be_bytes());
    bytes.extend([0, 1, kind, 6]);
    bytes.extend(&frame[6..12]);
    bytes.extend([0, 0]);
    bytes.extend(&frame[14..]);
    bytes
}

/// The same with the header of the first version.
pub(crate) fn cooked_without_interface(kind: u8, frame: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, kind, 0, 1, 0, 6];
    bytes.extend(&frame[6..12]);
    bytes.extend([0, 0]);
    bytes.extend(&frame[12..]);
    bytes
}
