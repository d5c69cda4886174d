//! Target `bundle`: bytes as the files of a node's bundle, which is replayed. It ends in a document or
//! in one line that names the file, whatever the files say of each other.

use std::fs;
use std::path::PathBuf;

use observer::record::{Cause, Stop};
use observer::replay::{ReplayError, replay};
use observer_ebpf::fixtures::{self, Place};

use crate::capture_seeds::{Order, pcap, pcapng};
use crate::captures::is_harmless;
use crate::outcomes::{Outcome, Saw};
use crate::scratch;

/// The files of a bundle, in their order in an input.
const FILES: [&str; 6] = [
    "bundle.json",
    "ip-link.json",
    "ip-address.json",
    "packets/any.pcap",
    "packets/cni0.in.pcap",
    "packets/tailscale0.out.pcapng",
];
const ENDS: [&str; 7] = [
    "document",
    "capture",
    "json",
    "content",
    "io",
    "settings",
    "not_written",
];

/// All that a corpus of bundles must reach: files can be read here, settings come from the file and cannot be
/// wrong, and a document can always be written.
pub(crate) fn wanted() -> Vec<Outcome> {
    ENDS[..4].iter().map(|name| ("ends", *name)).collect()
}

/// Replays a bundle; panics where something is wrong.
pub(crate) fn run(input: &[u8], saw: Saw<'_>) {
    let folder = lay(input);
    match replay(std::slice::from_ref(&folder), &Stop::default()) {
        Ok(document) => {
            let is_object = document.starts_with('{') && document.trim_end().ends_with('}');
            assert!(is_object, "a document is whole");
            saw("ends", ENDS[0]);
        }
        Err(ReplayError::Bundle(error)) => {
            let text = error.to_string();
            assert!(is_harmless(&text), "an error obeys no file: {text:?}");
            assert!(
                error.path.starts_with(&folder),
                "an error names its file: {text}"
            );
            saw("ends", ENDS[1 + cause(&error.cause)]);
        }
        Err(ReplayError::Config(_)) => saw("ends", ENDS[5]),
        Err(ReplayError::Json(_)) => saw("ends", ENDS[6]),
        Err(
            error @ (ReplayError::Twice { .. } | ReplayError::Signals(_) | ReplayError::Stopped),
        ) => panic!("{error}"),
    }
}

/// Lays the files of an input out. A file that it does not have is not there.
fn lay(input: &[u8]) -> PathBuf {
    let folder = scratch::folder().join("bundle");
    fs::create_dir_all(folder.join("packets")).expect("the bundle's folder");
    let mut rest = input;
    for name in FILES {
        let path = folder.join(name);
        let Some((head, tail)) = rest.split_first_chunk::<2>() else {
            if path.exists() {
                fs::remove_file(&path).expect("a file to remove");
            }
            continue;
        };
        let length = usize::from(u16::from_le_bytes(*head)).min(tail.len());
        let (bytes, tail) = tail.split_at(length);
        fs::write(&path, bytes).expect("a file in the bundle's folder");
        rest = tail;
    }
    folder
}

fn write(files: &[&[u8]]) -> Vec<u8> {
    let mut input = Vec::new();
    for file in files {
        let length = u16::try_from(file.len()).unwrap_or(u16::MAX);
        input.extend(length.to_le_bytes());
        input.extend(&file[..usize::from(length)]);
    }
    input
}

const fn cause(cause: &Cause) -> usize {
    match cause {
        Cause::Capture(_) => 0,
        Cause::Json { .. } => 1,
        Cause::Content(_) => 2,
        Cause::Io(_) => 3,
    }
}

const ABOUT: &str = r#"{"version":1,"node":"n1","cluster_cidr":"10.42.0.0/16"}"#;
const LINKS: &str = r#"[
{"ifindex":2,"ifname":"eth0","mtu":1500,"flags":["UP"],"link_type":"ether","address":"52:54:00:00:00:01"},
{"ifindex":3,"ifname":"cni0","mtu":1450,"flags":["UP"],"link_type":"ether",
 "address":"02:42:0a:2a:02:03","linkinfo":{"info_kind":"bridge"}},
{"ifindex":4,"ifname":"flannel.1","mtu":1450,"flags":["UP"],"link_type":"ether",
 "linkinfo":{"info_kind":"vxlan","info_data":{"id":1,"port":8472,"link":"eth0","local":"192.168.7.11"}}},
{"ifindex":5,"ifname":"tailscale0","mtu":1280,"flags":["UP"],"link_type":"none","linkinfo":{"info_kind":"tun"}},
{"ifindex":6,"ifname":"veth1","mtu":1450,"flags":["UP"],"link_type":"ether","master":"cni0",
 "address":"02:00:00:00:00:06","linkinfo":{"info_kind":"veth"}}]"#;
const ADDRESSES: &str = r#"[
{"ifindex":2,"addr_info":[{"local":"192.168.7.11","prefixlen":24}]},
{"ifindex":3,"addr_info":[{"local":"10.42.1.1","prefixlen":24},{"local":"fd42::1","prefixlen":64}]},
{"ifindex":4,"addr_info":[{"local":"10.42.1.0","prefixlen":32}]},
{"ifindex":5,"addr_info":[{"local":"100.64.0.1","prefixlen":32}]}, {}]"#;
/// Bytes of an Ethernet header.
const ETHERNET: usize = 14;

/// Named inputs.
pub(crate) fn seeds() -> Vec<(String, Vec<u8>)> {
    let all = fixtures::all();
    let framed = all.iter().filter(|fixture| fixture.place != Place::Tunnel);
    let framed: Vec<&[u8]> = framed.map(|fixture| &fixture.bytes[..]).collect();
    let bare = all.iter().filter(|fixture| fixture.place == Place::Tunnel);
    let bare: Vec<&[u8]> = bare.map(|fixture| &fixture.bytes[..]).collect();
    let mut seeds = Vec::new();
    for (number, frames) in framed.chunks(6).enumerate() {
        let places = (1..7).zip([0, 4].into_iter().cycle());
        let cooked = frames.iter().zip(places);
        let cooked: Vec<_> = cooked
            .map(|(frame, place)| cooked_frame(frame, place))
            .collect();
        let cooked: Vec<&[u8]> = cooked.iter().map(|frame| &frame[..]).collect();
        let bare = &bare[number % bare.len()..][..1];
        let files = [
            ABOUT.as_bytes(),
            LINKS.as_bytes(),
            ADDRESSES.as_bytes(),
            &pcap(Order::Little, (0xa1b2_c3d4, 276), &cooked),
            &pcap(Order::Big, (0xa1b2_3c4d, 1), frames),
            &pcapng(Order::Little, 101, bare),
        ];
        seeds.push((format!("fixtures-{number}"), write(&files)));
    }
    let documents = [ABOUT, LINKS, ADDRESSES].map(str::as_bytes);
    let [about, links, addresses] = documents;
    let named = |name: &str, files: &[&[u8]]| (name.to_owned(), write(files));
    seeds.extend([
        named("content-nothing", &[]),
        named("content-no_packets", &documents),
        named("capture", &[about, links, addresses, b"no capture"]),
        named("json", &[&about[..20], links, addresses]),
        named("json-links", &[about, b"[{\"ifindex\":-1}]", addresses]),
        named(
            "content",
            &[b"{\"version\":9,\"node\":\"n1\"}", links, addresses],
        ),
        named("content-links", &[about, b"[{}]", addresses]),
    ]);
    seeds
}

/// An Ethernet frame as `tcpdump -i any` shows it at a device, with a packet type.
fn cooked_frame(frame: &[u8], (ifindex, kind): (u32, u8)) -> Vec<u8> {
    let (link, packet) = frame.split_at(frame.len().min(ETHERNET));
    let mut bytes = link.get(12..).unwrap_or_default().to_vec();
    bytes.extend([0, 0]);
    bytes.extend(ifindex.to_be_bytes());
    bytes.extend([0, 1, kind, 6, 2, 66, 10, 42, 1, 2, 0, 0]);
    bytes.extend(packet);
    bytes
}
