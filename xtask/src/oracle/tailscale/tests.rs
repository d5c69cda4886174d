//! A status as tailscaled 1.102.3 writes it, shortened, and the ways that a peer is reached.

use super::*;

const STATUS: &str = r#"{
  "Version": "1.102.3", "TUN": true, "BackendState": "Running", "HaveNodeKey": true,
  "TailscaleIPs": ["100.64.0.2"],
  "Self": {"ID": "2", "HostName": "n1", "TailscaleIPs": ["100.64.0.2"],
    "AllowedIPs": ["100.64.0.2/32"], "Addrs": ["10.9.1.2:41641", "10.42.1.0:41641"],
    "CurAddr": "", "Relay": "lab", "PeerRelay": "", "Online": true, "Active": false},
  "Health": ["IP forwarding is disabled."],
  "CertDomains": null,
  "Peer": {
    "nodekey:e9": {"ID": "1", "HostName": "n2", "TailscaleIPs": ["100.64.0.1"],
      "AllowedIPs": ["100.64.0.1/32", "10.42.2.0/24"], "Addrs": null,
      "CurAddr": "10.9.2.2:41641", "Relay": "lab", "PeerRelay": "",
      "RxBytes": 348, "TxBytes": 436, "LastWrite": "2026-11-21T20:00:29.298390054Z",
      "Online": true, "Active": true},
    "nodekey:07": {"HostName": "n3"},
    "nodekey:f0": {"HostName": "n3", "Online": true}
  },
  "ClientVersion": null
}"#;

fn status() -> Status {
    serde_json::from_str(STATUS).expect("known form")
}

#[test]
fn status_of_tailscaled_is_read() {
    let status = status();
    assert!(status.is_running() && status.tun);
    assert_eq!(status.health, ["IP forwarding is disabled."]);
    let own = status.own.as_ref().expect("logged in");
    assert_eq!(own.addrs, ["10.9.1.2:41641", "10.42.1.0:41641"]);
    let peer = status.peer("n2").expect("known");
    assert_eq!(peer.tailscale_ips, [IpAddr::from([100, 64, 0, 1])]);
    assert_eq!(peer.allowed_ips, ["100.64.0.1/32", "10.42.2.0/24"]);
    assert_eq!((peer.rx_bytes, peer.tx_bytes), (348, 436));
    assert!(peer.online && peer.active && peer.addrs.is_empty());
    assert_eq!(peer.mode(), Mode::Direct("10.9.2.2:41641".into()));
}

#[test]
fn newest_of_two_registrations_is_the_peer() {
    let status = status();
    assert!(status.peer("n3").expect("known").online);
    assert_eq!(status.peer("n4"), None);
}

#[test]
fn endpoint_comes_before_peer_relay_before_home_region() {
    let mut node = status().peer("n2").expect("known").clone();
    node.peer_relay = "192.168.105.12:40000:vni:1".into();
    assert_eq!(node.mode(), Mode::Direct("10.9.2.2:41641".into()));
    node.cur_addr.clear();
    assert_eq!(
        node.mode(),
        Mode::PeerRelay("192.168.105.12:40000:vni:1".into())
    );
    node.peer_relay.clear();
    assert_eq!(node.mode(), Mode::Derp("lab".into()));
    node.active = false;
    assert_eq!(node.mode(), Mode::Idle);
    assert_eq!(Node::default().mode(), Mode::Idle);
}

#[test]
fn daemon_that_is_not_logged_in_has_no_node() {
    let text = r#"{"BackendState": "NeedsLogin", "Self": null, "Peer": null, "Health": null}"#;
    let status: Status = serde_json::from_str(text).expect("known form");
    assert_eq!((status.is_running(), &status.own), (false, &None));
    assert!(status.peers.is_empty() && status.health.is_empty());
}

#[test]
fn missing_daemon_and_program_are_named() {
    let socket = Path::new("/nonexistent/tailscaled.sock");
    let said = Status::of_daemon(socket).expect_err("missing").to_string();
    assert!(said.contains("/nonexistent/tailscaled.sock"), "{said}");
    let program = Path::new("/nonexistent/tailscale");
    let said = Status::by_program(program, socket)
        .expect_err("missing")
        .to_string();
    assert!(said.contains("/nonexistent/tailscale --socket="), "{said}");
}
