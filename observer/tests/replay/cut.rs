//! Captures with a snap length: heads of frames say what whole frames say, as far as they go.

use observer_ebpf::fixtures::{self, layers};
use serde_json::Value;

use super::bundle::{Folder, Link, RAW};
use super::frames::{Road, talk};
use super::{document, path};

#[test]
fn heads_of_each_frame_say_what_whole_frames_say() {
    for road in [Road::Lan, Road::Tailnet] {
        let (one, two) = talk(road);
        let whole = document(&[&one, &two]);
        cut(&[&one, &two], 128);
        let heads = document(&[&one, &two]);
        assert_eq!(heads["paths"], whole["paths"]);
        assert_eq!(heads["ledger"], whole["ledger"]);
    }
}

#[test]
fn heads_of_96_bytes_say_the_same_but_for_round_trips_that_the_capture_cuts() {
    for (road, point) in [(Road::Lan, "underlay"), (Road::Tailnet, "tunnel")] {
        let (one, two) = talk(road);
        let mut whole = document(&[&one, &two]);
        // In VXLAN the timestamps end at byte 116, without link layer at 102.
        cut(&[&one, &two], 96);
        let mut heads = document(&[&one, &two]);
        let count = |found: &Value| path(found, "10.42.1.2", "10.42.2.3")["rtt_ms"].clone();
        assert_eq!(count(&whole)[point]["count"], 10);
        assert_eq!(count(&heads)[point], Value::Null);
        assert_eq!(count(&heads)["pod"], count(&whole)["pod"]);
        for found in [&mut whole, &mut heads] {
            for path in found["paths"].as_array_mut().expect("paths") {
                path["rtt_ms"]
                    .as_object_mut()
                    .expect("points")
                    .remove(point);
            }
        }
        assert_eq!(heads["paths"], whole["paths"]);
        let short = |found: &mut Value| {
            let ledger = found["ledger"].as_object_mut().expect("a ledger");
            let samples = ledger.remove("samples").and_then(|count| count.as_u64());
            let short = ledger
                .remove("capture_short")
                .and_then(|count| count.as_u64());
            (samples.expect("a count"), short.expect("a count"))
        };
        let (all, left) = (short(&mut whole), short(&mut heads));
        assert_eq!((all.1, left.1), (0, 40), "one of three points");
        assert!(left.0 < all.0, "{left:?} of {all:?}");
        assert_eq!(heads["ledger"], whole["ledger"]);
    }
}

#[test]
fn heads_of_96_bytes_without_inner_addresses_count_as_what_is_around_them() {
    let frame = |length: usize| {
        let inner = layers::Ipv6::new(fixtures::POD_A6, fixtures::POD_B6, layers::TCP);
        let inner = inner.around(&layers::Tcp::default().around(&vec![7; length]));
        let inner = layers::ethernet(layers::IPV6, &inner);
        let datagram = layers::udp(51_000, 8_472, &layers::vxlan(0x08, &inner));
        let around = layers::Ipv4::new(fixtures::NODE_A, fixtures::NODE_B, layers::UDP);
        layers::ethernet(layers::IPV4, &around.around(&datagram))
    };
    let one = Folder::new("n1", &Link::of_a_node(1));
    let frames: Vec<_> = (0..10).map(|number| (number * 1_000, frame(100))).collect();
    one.pcap("eth0.out.pcap", 1, &frames);
    cut(&[&one], 96);
    let ledger = document(&[&one])["ledger"].clone();
    assert_eq!(
        (&ledger["frames"], &ledger["capture_short"]),
        (&10.into(), &10.into())
    );
    let rejected = ledger["parse_rejected"].as_object().expect("reasons");
    let refused: u64 = rejected.values().filter_map(Value::as_u64).sum();
    assert_eq!(refused, 0, "{rejected:?}");
}

/// Keeps so many bytes of each frame.
fn cut(nodes: &[&Folder], most: usize) {
    let mut is_cut = false;
    for node in nodes {
        for entry in std::fs::read_dir(node.path().join("packets")).expect("captures") {
            let name = entry.expect("a capture").file_name();
            let name = name.to_str().expect("a name");
            let is_raw = name.starts_with("tailscale0");
            let frames = node.frames(&format!("packets/{name}"));
            is_cut |= frames.iter().any(|(_, frame)| frame.len() > most);
            node.pcap_of(name, if is_raw { RAW } else { 1 }, &frames, most);
        }
    }
    assert!(is_cut, "no frame is longer than {most} bytes");
}
