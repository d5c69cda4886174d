//! Packets over a relay, captured by hand: no packet bears a mark, and what tailscaled said of its relays
//! tells their connections from others.

use observer::record::Stop;
use observer::replay::replay;
use observer_ebpf::fixtures::layers::{self, IPV4, TCP, Tcp, UDP, ethernet};
use observer_ebpf::fixtures::{TAIL_A, TAIL_B};
use serde_json::Value;

use super::bundle::Folder;
use super::frames::{Files, folder, segment};
use super::{document, path};

const RELAY: [u8; 4] = [203, 0, 113, 53];
const DERPMAP: &str = r#"{"Regions":{
    "901":{"RegionCode":"lab","Nodes":[{"HostName":"r1","IPv4":"203.0.113.53","DERPPort":8443}]},
    "902":{"RegionCode":"far","Nodes":[{"IPv4":"203.0.113.54","DERPPort":8443}]}}}"#;
const STATUS: &str = r#"{"Self":{"Relay":"own"},"Peer":{
    "nodekey:1":{"TailscaleIPs":["100.64.0.2"],"Relay":"theirs"},
    "nodekey:2":{"TailscaleIPs":["100.64.0.3"],"Relay":"other"}}}"#;

/// Forty questions of a thousand bytes, one every 100 ms, in VXLAN over the tunnel; each goes to the
/// relay's port as one segment.
fn talk(port: u16) -> Folder {
    let mut files = Files::new();
    for number in 0..40 {
        let packet = segment(true, (1_000 + number, 4_999 + number), &[7; 1_000]);
        let frame = ethernet(IPV4, &packet);
        let datagram = layers::udp(51_000, 8_472, &layers::vxlan(0x08, &frame));
        let outer = layers::Ipv4::new(TAIL_A, TAIL_B, UDP).around(&datagram);
        // WireGuard's 32 bytes, the relay's 37 and TLS's 22 around it.
        let message = vec![9; outer.len() + 32 + 37 + 22];
        let options = layers::stamped(7 + number, 8);
        let tcp = Tcp {
            source: 50_000,
            destination: port,
            sequence: 1 + 2_000 * number,
            options: &options,
            ..Tcp::default()
        };
        let relayed =
            layers::Ipv4::new([192, 168, 7, 11], RELAY, TCP).around(&tcp.around(&message));
        let time = number * 100_000;
        for (later, (file, bytes)) in (0..).step_by(1_000).zip([
            ("cni0.in.pcap", frame.clone()),
            ("flannel.1.out.pcap", frame),
            ("tailscale0.out.pcap", outer),
            ("eth0.out.pcap", ethernet(IPV4, &relayed)),
        ]) {
            let frames = files.entry(file.to_owned()).or_default();
            frames.push((time + later, bytes));
        }
    }
    folder(1, &files)
}

/// Class, mode and region of the talk.
fn said(folder: &Folder) -> [Value; 3] {
    let found = document(&[folder]);
    let forth = path(&found, "10.42.1.2", "10.42.2.3");
    ["class", "tailscale_mode", "derp_region"].map(|field| forth[field].clone())
}

#[test]
fn the_relays_that_tailscaled_named_are_told_from_other_ends() {
    let relayed = talk(8_443);
    let unknown: [Value; 3] = ["vxlan-tailscale".into(), "unknown".into(), Value::Null];
    assert_eq!(said(&relayed), unknown, "nothing was said");
    relayed.write("tailscale-status.json", STATUS.as_bytes());
    assert_eq!(said(&relayed), unknown, "a home is no packet");
    relayed.write("tailscale-derpmap.json", DERPMAP.as_bytes());
    let derp: [Value; 3] = ["vxlan-tailscale-derp".into(), "derp".into(), "lab".into()];
    assert_eq!(said(&relayed), derp);
    let other_port = talk(443);
    other_port.write("tailscale-derpmap.json", DERPMAP.as_bytes());
    assert_eq!(said(&other_port), unknown, "another port is another end");
}

#[test]
fn a_damaged_word_of_tailscaled_is_refused_with_the_byte() {
    for name in [
        "tailscale-derpmap.json",
        "tailscale-status.json",
        "tailscale-prefs.json",
    ] {
        let relayed = talk(8_443);
        relayed.write(name, &DERPMAP.as_bytes()[..20]);
        let error = replay(&[relayed.path().to_owned()], &Stop::default()).expect_err(name);
        let error = error.to_string();
        assert!(error.contains(name) && error.contains("byte 20"), "{error}");
    }
}
