//! What the two ends of a connection say of it is kept with their directions, at the pod point alone.

use observer_ebpf::abi::biflow::TcpOptions;
use observer_ebpf::abi::point::{Hook, Point, Site};
use observer_ebpf::fixtures::layers::{self, IPV4, TCP, Tcp, ethernet, stamped};
use observer_ebpf::fixtures::{POD_A, POD_B};
use observer_ebpf::parse::{TCP_ACK, TCP_SYN};

use crate::pair::{Pair, with_pair};
use crate::talk::site;

const OUT: Site = site(Point::Port, Hook::Ingress);
const BACK: Site = site(Point::Port, Hook::Egress);
/// As Linux writes them: MSS, SACK permitted, timestamps, window scale.
const OURS: &[u8] = &[
    2, 4, 0x05, 0x78, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7,
];
const THEIRS: &[u8] = &[2, 4, 0x04, 0xb0];

fn segment(is_ours: bool, flags: u8, options: &[u8]) -> Vec<u8> {
    let (source, destination, ports) = if is_ours {
        (POD_A, POD_B, (40_000, 8_080))
    } else {
        (POD_B, POD_A, (8_080, 40_000))
    };
    let segment = Tcp {
        source: ports.0,
        destination: ports.1,
        flags,
        options,
        ..Tcp::default()
    };
    let packet = layers::Ipv4::new(source, destination, TCP).around(&segment.around(&[]));
    ethernet(IPV4, &packet)
}

fn show(pair: &mut Pair<'_>, site: Site, flags: u8, options: &[u8]) {
    let is_ours = (site.hook == Hook::Ingress) == (site.point != Point::Underlay0);
    assert!(pair.see(site, &segment(is_ours, flags, options), 0, 0));
}

/// The words of the only entry, low to high and high to low.
fn words(pair: &mut Pair<'_>, what: &str) -> [TcpOptions; 2] {
    let state = pair.agree(what);
    let flow = state.biflows.values().next().expect("an entry");
    flow.tcp.map(|tcp| TcpOptions::from_word(tcp[3]))
}

const SAID: TcpOptions = TcpOptions {
    mss: 1_400,
    window_scale: 7,
    flags: TcpOptions::MSS | TcpOptions::WINDOW_SCALE | TcpOptions::SACK_PERMITTED,
};
const ANSWERED: TcpOptions = TcpOptions {
    mss: 1_200,
    window_scale: 0,
    flags: TcpOptions::MSS,
};

#[test]
fn each_direction_keeps_what_its_syn_said() {
    with_pair("each_direction_keeps_what_its_syn_said", |pair| {
        show(pair, OUT, TCP_SYN, OURS);
        show(pair, BACK, TCP_SYN | TCP_ACK, THEIRS);
        show(pair, OUT, TCP_ACK, &stamped(2, 1));
        let said = words(pair, "two SYNs and an acknowledgement");
        assert_eq!(said, [SAID, ANSWERED]);
        show(pair, OUT, TCP_SYN, THEIRS);
        let said = words(pair, "the same ports for a new connection");
        assert_eq!(said, [ANSWERED, ANSWERED]);
    });
}

#[test]
fn acknowledged_blocks_are_kept_beside_what_the_syn_said() {
    with_pair(
        "acknowledged_blocks_are_kept_beside_what_the_syn_said",
        |pair| {
            show(pair, OUT, TCP_SYN, OURS);
            show(pair, BACK, TCP_SYN | TCP_ACK, THEIRS);
            let mut blocks = stamped(2, 1);
            blocks.extend([1, 1, 5, 10, 1, 2, 3, 4, 5, 6, 7, 8]);
            show(pair, BACK, TCP_ACK, &blocks);
            let [ours, theirs] = words(pair, "blocks behind a gap");
            assert_eq!(ours, SAID);
            let flags = TcpOptions::MSS | TcpOptions::SACK_BLOCKS;
            assert_eq!(theirs, TcpOptions { flags, ..ANSWERED });
        },
    );
}

#[test]
fn other_points_than_the_pods_keep_nothing() {
    with_pair("other_points_than_the_pods_keep_nothing", |pair| {
        let bridge = site(Point::Bridge, Hook::Ingress);
        for elsewhere in [bridge, site(Point::Underlay0, Hook::Egress)] {
            show(pair, elsewhere, TCP_SYN, OURS);
        }
        let said = words(pair, "a SYN behind the port");
        assert_eq!(said, [TcpOptions::NONE; 2]);
        pair.control(|control| control.ports_attached = 0);
        show(pair, bridge, TCP_SYN, OURS);
        let said = words(pair, "a SYN at a bridge without ports");
        assert_eq!(said, [SAID, TcpOptions::NONE]);
        pair.control(|control| control.ports_attached = 1);
    });
}

#[test]
fn between_two_ports_the_options_are_those_that_entered() {
    with_pair(
        "between_two_ports_the_options_are_those_that_entered",
        |pair| {
            show(pair, OUT, TCP_SYN, OURS);
            // Clamped on its way through the node.
            let clamped = segment(true, TCP_SYN, THEIRS);
            assert!(pair.see(BACK, &clamped, 0, 0));
            let said = words(pair, "a SYN between two pods of a node");
            assert_eq!(said, [SAID, TcpOptions::NONE]);
        },
    );
}
