//! Files of a bundle that are no files of one: links, FIFOs, nothing, and what no tool prints. Each is
//! refused by name, with what to do, and none is waited for.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use observer::record::Stop;
use observer::replay::replay;

use super::bundle::Folder;
use super::frames::{Road, talk};

/// More than a document may have, bytes.
const LONG: u64 = 200 << 20;

fn fifo(path: &Path) {
    let status = Command::new("mkfifo").arg(path).status();
    assert!(status.expect("mkfifo").success());
}

fn refused(path: &Path, says: &[&str]) {
    let error = replay(&[path.to_owned()], &Stop::default());
    let error = error.expect_err(says[0]).to_string();
    let says_all = says.iter().all(|part| error.contains(part));
    assert!(says_all, "{says:?}: {error}");
}

/// Puts something else in the place of a file.
fn instead(name: &str, put: impl Fn(&Folder, &Path), says: &[&str]) {
    let (one, _) = talk(Road::Lan);
    let path = one.path().join(name);
    fs::remove_file(&path).expect("a file");
    put(&one, &path);
    refused(one.path(), &[&[name], says].concat());
}

#[test]
fn what_is_no_regular_file_is_neither_followed_nor_waited_for() {
    for name in ["bundle.json", "ip-link.json", "ip-address.json"] {
        instead(name, |_, path| fifo(path), &["no regular file"]);
        let link = |one: &Folder, _: &Path| one.link(name, "/dev/zero");
        instead(name, link, &["symbolic link", "copy"]);
        let folder = |_: &Folder, path: &Path| fs::create_dir(path).expect("a folder");
        instead(name, folder, &["no regular file"]);
    }
    for name in ["ip-rule.json", "tailscale-prefs.json"] {
        let (one, _) = talk(Road::Lan);
        fifo(&one.path().join(name));
        refused(one.path(), &[name, "no regular file"]);
    }
    let fifo = |_: &Folder, path: &Path| fifo(path);
    instead("packets/cni0.in.pcap", fifo, &["no regular file"]);
    let (one, two) = talk(Road::Lan);
    fs::remove_dir_all(one.path().join("packets")).expect("the captures");
    refused(one.path(), &["packets", "not there"]);
    let target = two.path().join("packets");
    one.link("packets", target.to_str().expect("a path in UTF-8"));
    refused(one.path(), &["packets", "symbolic link"]);
}

#[test]
fn a_document_without_end_is_refused_by_its_length() {
    let long = |_: &Folder, path: &Path| {
        let file = File::create(path).expect("a file");
        file.set_len(LONG).expect("its length");
    };
    instead("ip-link.json", long, &["longer than 67108864 bytes"]);
}

#[test]
fn two_devices_with_one_number_are_refused() {
    let twice = |one: &Folder, _: &Path| {
        let links = br#"[{"ifindex":2,"ifname":"eth0"},{"ifindex":2,"ifname":"eth1"}]"#;
        one.write("ip-link.json", links);
    };
    let says = ["two devices with number 2", "`ip -j -d link`"];
    instead("ip-link.json", twice, &says);
}

#[test]
fn what_is_no_bundle_is_refused_with_what_is_one() {
    let (one, _) = talk(Road::Lan);
    let give = "give a bundle's folder or its .tar.gz";
    let at = |name: &str| one.path().join(name);
    refused(&at("nothing"), &["nothing", "not there", give]);
    refused(
        &at("packets/cni0.in.pcap"),
        &["cni0.in.pcap", "byte 0", give],
    );
    fifo(&at("fifo"));
    refused(&at("fifo"), &["fifo", "neither folder nor file", give]);
    refused(
        &at("packets"),
        &["packets/bundle.json", "not there", "by hand"],
    );
}

#[test]
fn what_a_tool_printed_for_people_is_refused_with_the_tools_option() {
    let text = |one: &Folder, _: &Path| one.write("ip-link.json", b"1: lo: <LOOPBACK>");
    instead("ip-link.json", text, &["byte 1", "`ip -j -d link`"]);
    for (name, made) in [
        ("ip6-route.json", "`ip -6 -j route show table all`"),
        ("tailscale-status.json", "`tailscale status --json`"),
    ] {
        let (one, _) = talk(Road::Lan);
        one.write(name, b"100.64.0.1  n1");
        refused(one.path(), &[name, "byte ", made]);
    }
}

#[test]
fn a_second_bundle_of_a_node_is_refused() {
    let (one, two) = talk(Road::Lan);
    let paths = [&one, &two, &one].map(|folder| folder.path().to_owned());
    let error = replay(&paths, &Stop::default()).expect_err("one per node");
    let error = error.to_string();
    assert!(error.contains("\"n1\" has a bundle already"), "{error}");
}
