//! What tailscaled said of its peers, in captures by hand: it tells its datagrams from those of others, and
//! where no packet shows how a peer is reached, says that itself.

use observer_ebpf::fixtures::layers::{self, IPV4, UDP, ethernet};
use observer_ebpf::fixtures::{TAIL_A, TAIL_B};
use serde_json::{Value, json};

use super::bundle::Folder;
use super::frames::{Files, Road, folder, segment, talk};
use super::{document, path};

const PEER: [u8; 4] = [192, 168, 7, 12];
const SHOWN: [&str; 4] = ["class", "encap", "tailscale_mode_by", "peer_relay"];

/// Forty questions of a thousand bytes, one every 100 ms, in VXLAN over the tunnel; each leaves as a
/// message to the peer, behind these headers.
fn messages(behind: impl Fn(&[u8]) -> Vec<u8>) -> Folder {
    let mut files = Files::new();
    for number in 0..40 {
        let packet = segment(true, (1_000 + number, 4_999 + number), &[7; 1_000]);
        let frame = ethernet(IPV4, &packet);
        let datagram = layers::udp(51_000, 8_472, &layers::vxlan(0x08, &frame));
        let outer = layers::Ipv4::new(TAIL_A, TAIL_B, UDP).around(&datagram);
        let length = 32 + outer.len().next_multiple_of(16);
        let message = layers::wireguard(4, [1, 2, 3, 4], length);
        let time = number * 100_000;
        for (later, (file, bytes)) in (0..).step_by(1_000).zip([
            ("cni0.in.pcap", frame.clone()),
            ("flannel.1.out.pcap", frame),
            ("tailscale0.out.pcap", outer),
            ("eth0.out.pcap", behind(&message)),
        ]) {
            let frames = files.entry(file.to_owned()).or_default();
            frames.push((time + later, bytes));
        }
    }
    folder(1, &files)
}

fn to_the_peer(load: &[u8]) -> Vec<u8> {
    let datagram = layers::udp(41_641, 41_641, load);
    ethernet(
        IPV4,
        &layers::Ipv4::new([192, 168, 7, 11], PEER, UDP).around(&datagram),
    )
}

/// In VXLAN on the LAN, between the addresses that the nodes have in the pods' network.
fn over_the_overlay(load: &[u8]) -> Vec<u8> {
    let inner = layers::udp(41_641, 41_641, load);
    let inner = layers::Ipv4::new([10, 42, 1, 0], [10, 42, 2, 1], UDP).around(&inner);
    let vxlan = layers::vxlan(0x08, &ethernet(IPV4, &inner));
    let outer = layers::udp(51_000, 8_472, &vxlan);
    ethernet(
        IPV4,
        &layers::Ipv4::new([192, 168, 7, 11], PEER, UDP).around(&outer),
    )
}

fn in_geneve(load: &[u8]) -> Vec<u8> {
    let relayed = layers::geneve([0, 0], 0x7a12, [0, 0, 7, 0], load);
    to_the_peer(&relayed)
}

fn status(peer: &Value) -> Vec<u8> {
    let relay =
        json!({"HostName": "n3", "TailscaleIPs": ["100.64.0.3"], "CurAddr": "192.168.7.12:41641"});
    let mut status =
        json!({"Peer": {"nodekey:2": {"TailscaleIPs": ["100.64.0.2"], "HostName": "n2"}}});
    for (field, value) in peer.as_object().expect("fields") {
        status["Peer"]["nodekey:2"][field] = value.clone();
    }
    if peer.get("CurAddr").is_none() {
        status["Peer"]["nodekey:3"] = relay;
    }
    status.to_string().into_bytes()
}

fn said(folder: &Folder) -> [Value; 4] {
    let found = document(&[folder]);
    let forth = path(&found, "10.42.1.2", "10.42.2.3");
    SHOWN.map(|field| forth[field].clone())
}

/// Nothing is said of how Tailscale carries it.
fn open() -> [Value; 4] {
    let class = "vxlan-tailscale".into();
    [class, "wireguard>vxlan".into(), Value::Null, Value::Null]
}

fn shown(class: &str, encap: &str, by: &str, peer_relay: Option<&str>) -> [Value; 4] {
    let peer_relay = peer_relay.map_or(Value::Null, Value::from);
    [class.into(), encap.into(), by.into(), peer_relay]
}

#[test]
fn messages_to_where_tailscaled_sends_are_its_own_and_carry_the_path() {
    let direct = "vxlan-tailscale-direct";
    let relayed = "vxlan-tailscale-peer-relay";
    for (messages, peer, wanted) in [
        (
            messages(to_the_peer),
            json!({"CurAddr": "192.168.7.12:41641"}),
            shown(direct, "wireguard>vxlan", "packets", None),
        ),
        (
            messages(over_the_overlay),
            json!({"CurAddr": "10.42.2.1:41641"}),
            shown(direct, "vxlan>wireguard>vxlan", "packets", None),
        ),
        (
            messages(in_geneve),
            json!({"PeerRelay": "192.168.7.12:40000:vni:7"}),
            shown(relayed, "wireguard>vxlan", "packets", Some("n3")),
        ),
    ] {
        assert_eq!(said(&messages), open(), "a message may be anybody's");
        messages.write("tailscale-status.json", &status(&peer));
        assert_eq!(said(&messages), wanted, "{peer}");
        let marked = json!({"version": 1, "node": "n1", "cluster_cidr": "10.42.0.0/16",
            "recorded": {"marks": true}});
        messages.write("bundle.json", marked.to_string().as_bytes());
        assert_eq!(said(&messages), open(), "its own would bear the mark");
    }
}

#[test]
fn messages_to_another_end_are_not_tailscaleds() {
    let messages = messages(to_the_peer);
    let peer = json!({"CurAddr": "192.168.7.99:41641"});
    messages.write("tailscale-status.json", &status(&peer));
    assert_eq!(said(&messages), open());
}

#[test]
fn without_messages_tailscaleds_word_is_shown_as_its_word() {
    let (one, two) = talk(Road::Tailnet);
    assert_eq!(said(&one), open());
    let direct = "vxlan-tailscale-direct";
    let by = "tailscaled";
    for (peer, wanted) in [
        (
            json!({"Active": true, "CurAddr": "192.168.7.12:41641", "Relay": "fra"}),
            shown(direct, "wireguard>vxlan", by, None),
        ),
        (
            json!({"Active": true, "CurAddr": "10.42.2.1:41641"}),
            shown(direct, "vxlan>wireguard>vxlan", by, None),
        ),
        (
            json!({"Active": true, "PeerRelay": "192.168.7.12:40000:vni:7"}),
            shown(
                "vxlan-tailscale-peer-relay",
                "wireguard>vxlan",
                by,
                Some("n3"),
            ),
        ),
        (
            json!({"Active": true, "Relay": "fra"}),
            shown("vxlan-tailscale-derp", "wireguard>vxlan", by, None),
        ),
        (json!({"Active": false, "Relay": "fra"}), open()),
    ] {
        one.write("tailscale-status.json", &status(&peer));
        assert_eq!(said(&one), wanted, "{peer}");
    }
    let active = json!({"Active": true, "CurAddr": "192.168.7.12:41641"});
    one.write("tailscale-status.json", &status(&active));
    // The receiver's node cannot tell, and sets nothing against it.
    for bundles in [[&one, &two], [&two, &one]] {
        let found = document(&bundles);
        let forth = path(&found, "10.42.1.2", "10.42.2.3");
        assert_eq!(forth["class"], direct);
        assert_eq!(forth["destination"]["node"], "n2");
    }
    one.write("tailscale-prefs.json", br#"{"WantRunning":false}"#);
    assert_eq!(said(&one), open(), "a daemon that is down reaches nobody");
}
