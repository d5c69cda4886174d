//! Node bundles made of hand-written frames, replayed: classes, stacks, counts and round trips of
//! two nodes; and what is refused, with file and byte.

#[path = "replay/archives.rs"]
mod archives;
#[path = "replay/bundle.rs"]
mod bundle;
#[path = "replay/cut.rs"]
mod cut;
#[path = "replay/frames.rs"]
mod frames;
#[path = "replay/million.rs"]
mod million;
#[path = "replay/relayed.rs"]
mod relayed;
#[path = "replay/stopped.rs"]
mod stopped;
#[path = "replay/strange.rs"]
mod strange;
#[path = "replay/told.rs"]
mod told;

use bundle::{Folder, Link, RAW, cooked, cooked_without_interface};
use frames::{Road, talk};
use observer::record::Stop;
use observer::replay::replay;
use observer_ebpf::fixtures;
use serde_json::Value;

#[test]
fn two_nodes_on_a_lan_say_one_path_each_way_with_its_round_trips() {
    let (one, two) = talk(Road::Lan);
    let found = document(&[&one, &two]);
    let forth = path(&found, "10.42.1.2", "10.42.2.3");
    assert_eq!(forth["class"], "vxlan-lan");
    assert_eq!(
        (&forth["encap"], &forth["depth"]),
        (&"vxlan".into(), &1.into())
    );
    assert_eq!(forth["source"]["node"], "n1");
    assert_eq!(forth["destination"]["node"], "n2");
    assert_eq!(
        (&forth["packets"], &forth["bytes"]),
        (&10.into(), &(10 * 152).into())
    );
    assert_eq!(forth["mtu"]["effective"], 1_450);
    assert_eq!(forth["intended"], Value::Null);
    // 10 samples of 20 ms where the pod's packets are first seen, and less on the way.
    for (point, least, most) in [
        ("pod", 19.0, 21.0),
        ("overlay", 17.0, 19.0),
        ("underlay", 15.0, 17.0),
    ] {
        let rtt = &forth["rtt_ms"][point];
        assert_eq!(rtt["count"], 10, "{point}: {rtt}");
        let median = rtt["p50"].as_f64().expect("a median");
        assert!((least..most).contains(&median), "{point}: {rtt}");
    }
    let back = path(&found, "10.42.2.3", "10.42.1.2");
    assert_eq!(
        (&back["class"], &back["packets"]),
        (&"vxlan-lan".into(), &10.into())
    );
    assert_eq!(
        (&back["source"]["node"], &back["destination"]["node"]),
        (&"n2".into(), &"n1".into())
    );
    // As the pod that sends sees it: from an answer to the next question, ninety milliseconds.
    let rtt = &back["rtt_ms"]["pod"];
    let median = rtt["p50"].as_f64().expect("a median");
    assert!((87.0..93.0).contains(&median), "{rtt}");
    assert_eq!(found["findings"], Value::Null);
    assert_eq!(found["ledger"]["frames"], 120);
    assert_eq!(found["ledger"]["not_replayed"]["no_point"], 0);
}

#[test]
fn spans_of_two_nodes_are_the_two_sides_of_the_same_traces() {
    let (one, two) = talk(Road::Lan);
    let found = document(&[&one, &two]);
    let spans = found["spans"].as_array().expect("spans");
    let roots = |kind: &str| -> Vec<&Value> {
        let roots = spans.iter().filter(|span| span["kind"] == kind);
        roots.collect()
    };
    let (asked, answered) = (roots("client"), roots("server"));
    assert_eq!((asked.len(), answered.len()), (8, 8));
    for answer in answered {
        let is_its = |root: &&&Value| root["trace_id"] == answer["trace_id"];
        let root = asked.iter().find(is_its).expect("the other side");
        assert_eq!(answer["parent_span_id"], root["span_id"]);
        let ends = [
            (*root, "netpath.source.node"),
            (answer, "netpath.destination.node"),
        ];
        let [from, to] = ends.map(|(span, name)| span["attributes"][name].as_str());
        assert!(
            from.is_some() && to.is_some() && from != to,
            "{root} {answer}"
        );
        let time = |span: &Value, name: &str| -> u64 {
            let text = span[name].as_str().expect("a time");
            text.parse().expect("nanoseconds")
        };
        let [start, end] = ["start_time_unix_nano", "end_time_unix_nano"];
        let first = 1_700_000_000_000_000_000..1_700_000_001_000_000_000;
        assert!(first.contains(&time(root, start)), "{root}");
        assert!(time(root, start) < time(answer, start), "{root} {answer}");
        assert!(time(answer, end) < time(root, end), "{root} {answer}");
    }
}

#[test]
fn vxlan_in_a_raw_capture_of_the_tunnel_is_double_encapsulation() {
    let (one, two) = talk(Road::Tailnet);
    let found = document(&[&one, &two]);
    let forth = path(&found, "10.42.1.2", "10.42.2.3");
    let class = forth["class"].as_str().expect("a class");
    assert!(class.starts_with("vxlan-tailscale"), "{class}");
    assert_eq!(
        (&forth["encap"], &forth["depth"]),
        (&"wireguard>vxlan".into(), &2.into())
    );
    assert_eq!(forth["mtu"]["bottleneck"], "tailscale0");
    assert_eq!(forth["mtu"]["effective"], 1_230);
    assert_eq!(forth["packets"], 10);
}

#[test]
fn rules_and_routes_that_are_not_read_are_counted() {
    let (one, _) = talk(Road::Lan);
    let not_read = || document(&[&one])["ledger"]["not_read"].clone();
    assert_eq!(not_read(), serde_json::json!({"rules": 0, "routes": 0}));
    let rules = serde_json::json!([
        {"priority": 0, "src": "all", "table": "local"},
        {"priority": 9, "src": "all", "action": "nop"},
        {"priority": 10, "src": "all", "table": "vpn"},
        {"priority": 11, "src": "all", "oif": "eth0", "table": "main"},
    ]);
    one.write("ip-rule.json", rules.to_string().as_bytes());
    let mut routes = vec![
        serde_json::json!({"dst": "default", "gateway": "192.168.7.1", "dev": "eth0"}),
        serde_json::json!({"type": "broadcast", "dst": "192.168.7.255", "table": "local"}),
        serde_json::json!({"dst": "10.9.0.0/16", "dev": "eth0", "table": "vpn"}),
    ];
    let of_ipv6 = [
        serde_json::json!({"type": "multicast", "dst": "ff00::/8", "table": "local", "pref": "medium"}),
        serde_json::json!({"dst": "default", "dev": "eth0", "table": "vpn", "pref": "medium"}),
    ];
    // Both families stand in the first document, and one of them again in the second.
    routes.extend(of_ipv6.clone());
    one.write("ip-route.json", Value::from(routes).to_string().as_bytes());
    one.write(
        "ip6-route.json",
        Value::from(of_ipv6.to_vec()).to_string().as_bytes(),
    );
    assert_eq!(not_read(), serde_json::json!({"rules": 3, "routes": 2}));
}

#[test]
fn the_devices_addresses_name_the_underlay() {
    for (road, class) in [
        (Road::Lan, "vxlan-lan"),
        (Road::Vmnet, "vxlan-vmnet"),
        (Road::Wan, "vxlan-wan"),
    ] {
        let (one, two) = talk(road);
        let found = document(&[&one, &two]);
        assert_eq!(path(&found, "10.42.1.2", "10.42.2.3")["class"], class);
    }
}

#[test]
fn one_node_alone_tells_as_much_and_not_the_others_name() {
    let (one, _) = talk(Road::Lan);
    let found = document(&[&one]);
    let forth = path(&found, "10.42.1.2", "10.42.2.3");
    assert_eq!(
        (&forth["class"], &forth["packets"]),
        (&"vxlan-lan".into(), &10.into())
    );
    assert_eq!(forth["destination"]["node"], Value::Null);
}

#[test]
fn fragments_of_a_pod_are_counted_as_inner_ones() {
    let folder = node();
    let first = fixtures::named("ipv4_first_fragment_keeps_ports").expect("a fixture");
    let later = fixtures::named("ipv4_later_fragment_of_udp_has_no_ports").expect("a fixture");
    let times = [first.bytes, later.bytes].map(|bytes| (1_000, bytes));
    folder.pcap("cni0.in.pcap", 1, &times);
    let found = document(&[&folder]);
    let forth = path(&found, "10.42.1.2", "10.42.2.3");
    let wanted = (&Value::from(2), &Value::from(0));
    assert_eq!(
        (&forth["fragments"]["inner"], &forth["fragments"]["vxlan"]),
        wanted
    );
    assert_eq!(forth["packets"], 2);
}

#[test]
fn a_cooked_capture_of_all_devices_says_device_and_direction() {
    let folder = node();
    let frame = &fixtures::named("ipv4_first_fragment_keeps_ports")
        .expect("a fixture")
        .bytes;
    let shown =
        [(3, 3), (4, 4), (99, 0)].map(|(ifindex, kind)| (1_000, cooked(ifindex, kind, frame)));
    folder.pcap("any.pcap", 276, &shown);
    let found = document(&[&folder]);
    let forth = path(&found, "10.42.1.2", "10.42.2.3");
    assert_eq!(forth["points"]["bridge"]["packets"], 1);
    assert_eq!(forth["points"]["overlay"]["packets"], 1);
    assert_eq!(forth["source"]["node"], "n1", "came in at the bridge");
    assert_eq!(found["ledger"]["frames"], 2);
    assert_eq!(found["ledger"]["not_replayed"]["no_point"], 1);
}

#[test]
fn an_older_cooked_capture_of_one_device_says_the_direction() {
    let folder = node();
    let frame = &fixtures::named("ipv4_first_fragment_keeps_ports")
        .expect("a fixture")
        .bytes;
    for (device, kind) in [("cni0", 3), ("flannel.1", 4)] {
        let shown = [(1_000, cooked_without_interface(kind, frame))];
        folder.pcap(&format!("{device}.pcap"), 113, &shown);
    }
    let found = document(&[&folder]);
    let forth = path(&found, "10.42.1.2", "10.42.2.3");
    for point in ["bridge", "overlay"] {
        assert_eq!(forth["points"][point]["packets"], 1, "{point}");
        // Its bytes are those of the packet alone, whatever stood before it.
        let bytes = forth["points"][point]["bytes"].as_u64().expect("bytes");
        assert_eq!(bytes, frame.len() as u64 - 14, "{point}");
    }
    assert_eq!(forth["source"]["node"], "n1", "came in at the bridge");
}

#[test]
fn a_clock_that_is_set_back_is_counted() {
    let (one, _) = talk(Road::Lan);
    let set_back = |folder: &Folder| document(&[folder])["ledger"]["clock"]["set_back"].clone();
    assert_eq!(set_back(&one), 0);
    let mut frames = one.frames("packets/eth0.out.pcap");
    let last = frames.last_mut().expect("frames");
    last.0 = 1;
    one.pcap("eth0.out.pcap", 1, &frames);
    assert_eq!(set_back(&one), 1);
    let found = document(&[&one]);
    assert_eq!(path(&found, "10.42.1.2", "10.42.2.3")["packets"], 10);
}

#[test]
fn without_another_word_addresses_say_the_direction() {
    let folder = node();
    let frame = fixtures::named("ipv4_first_fragment_keeps_ports")
        .expect("a fixture")
        .bytes;
    // cni0 of this node has the hardware address that the frame goes to.
    folder.pcap("cni0.pcap", 1, &[(1_000, frame.clone())]);
    let mut strange = frame;
    strange[0] = 0x06;
    folder.pcap("flannel.1.pcap", 1, &[(1_000, strange)]);
    let found = document(&[&folder]);
    assert_eq!(
        path(&found, "10.42.1.2", "10.42.2.3")["source"]["node"],
        "n1"
    );
    assert_eq!(found["ledger"]["not_replayed"]["no_direction"], 1);
}

#[test]
fn what_is_refused_names_the_file_and_the_byte() {
    let frame = || vec![(1_000, vec![0x45; 60])];
    let check = |make: &dyn Fn(&Folder), says: &[&str]| {
        let folder = node();
        folder.pcap("cni0.in.pcap", 1, &frame());
        make(&folder);
        let error = replay(&[folder.path().to_owned()], &Stop::default())
            .expect_err(says[0])
            .to_string();
        assert!(
            says.iter().all(|part| error.contains(part)),
            "{says:?}: {error}"
        );
    };
    check(
        &|folder| folder.cut("packets/cni0.in.pcap", 50),
        &["packets/cni0.in.pcap", "byte 40", "ends", "`editcap "],
    );
    check(
        &|folder| folder.pcap("eth0.pcap", 147, &frame()),
        &["packets/eth0.pcap", "byte 20", "link type 147"],
    );
    check(
        &|folder| folder.pcap("any.pcap", 113, &frame()),
        &["packets/any.pcap", "byte 24", "-y LINUX_SLL2", "-i cni0"],
    );
    check(
        &|folder| folder.pcap("any.pcap", 276, &[(1, vec![0; 19])]),
        &["packets/any.pcap", "byte 24", "cooked"],
    );
    check(
        &|folder| folder.pcap("eth7.pcap", 1, &frame()),
        &["packets/eth7.pcap", "byte 24", "\"eth7\"", "ip-link.json"],
    );
    check(
        &|folder| folder.cut("ip-link.json", 30),
        &["ip-link.json", "byte 30"],
    );
    check(
        &|folder| folder.write("bundle.json", b"{\"version\":2,\"node\":\"n1\"}"),
        &["bundle.json", "version 2"],
    );
    check(
        &|folder| folder.write("packets/\u{1b}[2J", b""),
        &["packets/\\u{1b}[2J", "not named"],
    );
    check(
        &|folder| folder.write("bundle.json", "{\"cluster_cidr\":\"\u{9b}2J\"}".as_bytes()),
        &["bundle.json", "\\u{9b}2J"],
    );
    check(
        &|folder| folder.write("packets/cni0.pcap.gz", b""),
        &["cni0.pcap.gz", "not named"],
    );
    check(
        &|folder| folder.link("packets/eth0.pcap", "/dev/zero"),
        &["eth0.pcap", "no regular file"],
    );
    check(
        &|folder| folder.remove("ip-address.json"),
        &["ip-address.json", "not there", "`ip -j address`"],
    );
}

/// The first node without packets.
fn node() -> Folder {
    Folder::new("n1", &Link::of_a_node(1))
}

fn document(folders: &[&Folder]) -> Value {
    let paths: Vec<_> = folders
        .iter()
        .map(|folder| folder.path().to_owned())
        .collect();
    let text = replay(&paths, &Stop::default()).expect("a document");
    let found: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(found["version"], 1);
    found
}

/// The one path between two addresses.
fn path<'a>(document: &'a Value, source: &str, destination: &str) -> &'a Value {
    let paths = document["paths"].as_array().expect("paths");
    let is_it = |path: &&Value| {
        path["source"]["address"] == source && path["destination"]["address"] == destination
    };
    let found: Vec<_> = paths.iter().filter(is_it).collect();
    let [path] = found[..] else {
        panic!("one path from {source} to {destination}: {document:#}");
    };
    assert_eq!(path["class"], path["observed"]);
    path
}

#[test]
fn raw_captures_of_a_tunnel_need_no_word_on_the_direction() {
    let (one, _) = talk(Road::Tailnet);
    let frames = one.frames("packets/tailscale0.out.pcap");
    one.remove("packets/tailscale0.out.pcap");
    one.remove("packets/tailscale0.in.pcap");
    one.pcap("tailscale0.pcap", RAW, &frames);
    let found = document(&[&one]);
    let forth = path(&found, "10.42.1.2", "10.42.2.3");
    assert_eq!(forth["points"]["tunnel"]["packets"], 10);
    assert_eq!(found["ledger"]["not_replayed"]["no_direction"], 0);
}
