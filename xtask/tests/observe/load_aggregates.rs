//! Buffers of up to 64 KiB that the kernel cuts only on the wire: their segments and bytes are those
//! that the pods' TCP has sent, to the byte, whatever the length of the transfer.

use std::fs;

use observer_ebpf::abi::point::Point;
use xtask::lab::topology::BRIDGE;
use xtask::lab::{Scenario, netns};
use xtask::oracle::{Counter, Counters, Hook};
use xtask::traffic::{Bulk, Place, Stop, Volume};

use super::account::{HEADERS, Watched, steps};
use super::bench::{agents_on, lab, options, silence, turn};
use super::ledger::BESIDE;

/// Around the 16 pages that a buffer holds at most, and odd ones.
const LENGTHS: [u64; 9] = [
    1, 1_399, 4_097, 65_483, 65_535, 65_536, 65_537, 1_000_003, 7_340_033,
];
/// How often a transfer is repeated that the machine has disturbed: what is sent again was lost
/// between two points.
const ATTEMPTS: usize = 5;

#[test]
fn aggregates_of_16_pages_and_odd_lengths_are_counted_to_the_byte() {
    let test = "load_aggregates::aggregates_of_16_pages_and_odd_lengths_are_counted_to_the_byte";
    let Some(_turn) = turn(test) else { return };
    let lab = lab(options(Scenario::H2, "tso"));
    silence(&lab);
    let nodes = [0, 1].map(|place| &lab.nodes()[place]);
    for node in nodes {
        // Selective acknowledgements make headers of other lengths.
        let set = || fs::write("/proc/sys/net/ipv4/tcp_sack", "0");
        netns::within(&node.pods[0].netns, set)
            .expect("namespace")
            .expect("switch");
    }
    let agents = agents_on(nodes.into_iter(), &[]);
    let watched = [0, 1].map(|place| Watched::new(nodes[place], &agents[place]));
    let large = "meta length > 60000";
    let large = Counter::install(&nodes[0].netns, BRIDGE, Hook::Ingress, large).expect("nft");
    let ends = [0, 1].map(|place| Place::from(&nodes[place].pods[0]));
    for length in LENGTHS {
        let done = (0..ATTEMPTS).any(|_| is_exact(&watched, &ends, length));
        assert!(done, "no transfer of {length} bytes without retransmission");
    }
    let large = large.read().expect("nft").packets;
    assert!(large > 10, "{large} buffers of 16 pages: nothing was shown");
}

/// Transfers so many bytes; false if TCP had to send some of them again.
fn is_exact(watched: &[Watched; 2], ends: &[Place; 2], length: u64) -> bool {
    let read = || {
        ends.each_ref()
            .map(|end| Counters::read(&end.netns).expect("snmp"))
    };
    let before = read();
    let counted = steps(watched, || {
        let [from, to] = ends.clone();
        let bulk = Bulk::new(from, to, Volume::Bytes(length));
        let report = bulk.drive(&Stop::default()).expect("transfer");
        assert_eq!(report.bytes, length);
    });
    let after = read();
    let sum = |name| -> i64 {
        let both = after.iter().zip(&before);
        both.map(|(after, before)| after.since(before).get(name))
            .sum()
    };
    if sum("TcpRetransSegs") != 0 {
        return false;
    }
    let segments = u64::try_from(sum("TcpOutSegs")).expect("a count");
    for step in &counted {
        step.assert_adds_up(Point::Underlay0);
        for point in [Point::Port, Point::Bridge, Point::Overlay, Point::Underlay0] {
            let found = step.pods(point);
            let wanted = (segments, length + BESIDE + HEADERS * segments);
            assert_eq!(
                (found.segments, found.bytes),
                wanted,
                "{length} bytes at {point:?}: {found:?}"
            );
        }
    }
    true
}
