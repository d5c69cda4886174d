//! What is never answered becomes an error span on each node that it got to, with the point where it
//! was seen last; what is refused, or answered in time, does not.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddrV4, TcpStream};
use std::thread;
use std::time::Duration;

use xtask::lab::topology::Role;
use xtask::lab::{Lab, Node, Scenario, netns};
use xtask::traffic::{Calls, Ping, Place, Servers, Stop};

use super::bench::{agents, lab, options, turn};
use super::output::Span;

/// A packet is given up after 3 s and told at the next sweep, or the one after it.
const GIVEN_UP: Duration = Duration::from_millis(4_500);
/// By then delayed acknowledgements have left too.
const ACKNOWLEDGED: Duration = Duration::from_millis(200);
const PORT: u16 = 8080;
const SILENT: u16 = 8081;
const CLOSED: u16 = 8082;

/// Who says that a packet between two nodes was lost, and where it was seen last.
type Told = (String, String, [IpAddr; 2], String);

#[test]
fn a_packet_is_lost_behind_the_point_that_saw_it_last() {
    let test = "no_reply::a_packet_is_lost_behind_the_point_that_saw_it_last";
    let Some(_turn) = turn(test) else { return };
    let lab = lab(options(Scenario::H2, "lost"));
    let [near, deaf, full] = [0, 1, 2].map(|place| &lab.nodes()[place]);
    let at = |node: &Node, port| (Place::from(&node.pods[0]), port);
    let places = [at(deaf, PORT), at(full, PORT), at(full, SILENT)];
    let _servers = Servers::serve(&places).expect("servers");
    let agents = agents(&lab, &["--sample-one-in", "1"]);
    let mut calls = places.map(|(place, port)| {
        let target = SocketAddrV4::new(place.ipv4().expect("IPv4"), port);
        let mut calls = Calls::new(Place::from(&near.pods[0]), target);
        calls.open(1).expect("open");
        calls.exchange(3).expect("exchange");
        calls
    });
    thread::sleep(ACKNOWLEDGED);
    nft(&lab, &deaf.name, "udp dport 8472");
    nft(&lab, &full.pods[0].name, &format!("tcp dport {SILENT}"));
    calls[0].ask().expect("ask");
    calls[2].ask().expect("ask");
    let closed = SocketAddrV4::new(full.pods[0].address, CLOSED);
    let refused = || {
        TcpStream::connect(closed)
            .expect_err("nobody listens")
            .kind()
    };
    let refused = netns::within(&near.pods[0].netns, refused).expect("namespace");
    assert_eq!(refused, std::io::ErrorKind::ConnectionRefused);
    let filtered = SocketAddrV4::new(full.pods[0].address, SILENT);
    let silence =
        || TcpStream::connect_timeout(&filtered.into(), GIVEN_UP).expect_err("a dropped SYN");
    netns::within(&near.pods[0].netns, silence).expect("namespace");
    calls[1].exchange(1).expect("the path itself is well");
    let mut spans = Vec::new();
    for agent in agents {
        let ended = agent.end();
        let told: u64 = ended.last().ledger.get("no_reply");
        let own = lost(&ended.spans);
        assert_eq!(told, own.len() as u64);
        spans.extend(own.into_iter().map(|span| (ended.node.clone(), span)));
    }
    let mut found: Vec<Told> = spans.iter().map(|(node, span)| told(node, span)).collect();
    found.sort();
    let ends = |to: &Node| [near.pods[0].address.into(), to.pods[0].address.into()];
    let told = |node: &Node, kind: &str, to: &Node, point: &str| {
        (
            node.name.clone(),
            kind.to_owned(),
            ends(to),
            point.to_owned(),
        )
    };
    let mut wanted = vec![
        told(near, "client", deaf, "underlay"),
        told(deaf, "server", deaf, "underlay"),
    ];
    // Of the open connection and of the SYN.
    for _ in 0..2 {
        wanted.push(told(near, "client", full, "underlay"));
        wanted.push(told(full, "server", full, "pod"));
    }
    wanted.sort();
    assert_eq!(found, wanted);
    let ids: BTreeSet<_> = spans.iter().map(|(_, span)| &span.trace).collect();
    assert_eq!(ids.len(), spans.len(), "one trace per node and packet");
    for (_, span) in &spans {
        assert_eq!(span.parent, None);
        assert!(span.duration_ms >= 3_000.0, "{span:#?}");
        let text = |name: &str| span.attributes[name].as_str().map(str::to_owned);
        assert_eq!(text("netpath.direction").as_deref(), Some("data"));
        let destination = span.attributes["destination.port"].as_u64();
        assert_ne!(destination, Some(CLOSED.into()), "refused is answered");
    }
}

#[test]
fn s3_shows_what_leaves_for_the_old_address_and_never_returns() {
    let test = "no_reply::s3_shows_what_leaves_for_the_old_address_and_never_returns";
    let Some(_turn) = turn(test) else { return };
    let lab = lab(options(Scenario::S3, "stale"));
    let (moved, members): (Vec<&Node>, Vec<&Node>) =
        (lab.nodes().iter()).partition(|node| node.role == Role::Moved);
    let (moved, [one, other]) = (moved[0], [members[0], members[1]]);
    let agents = agents(&lab, &[]);
    let ping = |from: &Node, to: &Node| {
        let ping = Ping::new(Place::from(&from.pods[0]), to.pods[0].address, 3);
        let patience = Duration::from_millis(200);
        let ping = Ping { patience, ..ping };
        ping.drive(&Stop::default()).expect("ping").received
    };
    assert_eq!(
        [ping(one, moved), ping(moved, one), ping(one, other)],
        [0, 0, 3]
    );
    thread::sleep(GIVEN_UP);
    let mut found = Vec::new();
    for agent in agents {
        let ended = agent.end();
        for span in lost(&ended.spans) {
            assert_eq!(span.name, "vxlan-lan no reply");
            found.push(told(&ended.node, &span));
        }
    }
    found.sort();
    // Both are pings that were sent; the member's answers to the moved node left as silently.
    let told = |from: &Node, to: &Node| {
        let ends = [from, to].map(|node| node.pods[0].address.into());
        (from.name.clone(), "client".into(), ends, "underlay".into())
    };
    let mut wanted: Vec<Told> = vec![told(one, moved), told(moved, one)];
    wanted.sort();
    assert_eq!(found, wanted);
}

/// Drops in a place what matches on its way in.
fn nft(lab: &Lab, place: &str, what: &str) {
    let rules = format!(
        "table inet lost {{\nchain input {{\ntype filter hook input priority 0\n{what} drop\n}}\n}}"
    );
    let mut nft = lab.command(place, &["nft", &rules]).expect("place");
    assert!(nft.status().expect("nft").success());
}

/// Roots of lost packets.
fn lost(spans: &[Span]) -> Vec<Span> {
    let roots = spans.iter().filter(|span| {
        let outcome = span.attributes.get("netpath.outcome");
        outcome.and_then(|outcome| outcome.as_str()) == Some("no_reply")
    });
    let lost: Vec<Span> = roots.cloned().collect();
    for root in &lost {
        assert!(root.error.is_some(), "{root:#?}");
        assert_eq!(root.attributes["netpath.sides"].as_u64(), Some(1));
        let children = spans
            .iter()
            .filter(|span| span.parent.as_ref() == Some(&root.id));
        let children: Vec<_> = children.collect();
        assert!(children.iter().all(|child| child.kind == "internal"));
        let (end, passed) = children.split_last().expect("where it ended");
        assert!(end.error.is_some(), "{children:#?}");
        assert!(
            passed.iter().all(|child| child.error.is_none()),
            "{children:#?}"
        );
    }
    lost
}

fn told(node: &str, span: &Span) -> Told {
    let text = |name: &str| span.attributes[name].as_str().expect("text").to_owned();
    let ends = ["source.address", "destination.address"]
        .map(|name| text(name).parse().expect("an address"));
    (
        node.to_owned(),
        span.kind.clone(),
        ends,
        text("netpath.last_seen"),
    )
}
