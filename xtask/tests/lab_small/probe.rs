//! The measured truth of a probe: on healthy paths, on one that loses all long packets, on one that
//! answers nothing, and when it is told to stop.

use std::thread;
use std::time::{Duration, Instant};

use xtask::lab::{Lab, Options, Scenario, WireId};
use xtask::oracle::Counters;
use xtask::traffic::{Measured, Place, Probe, ProbeServer, Stop};

use super::bench::{lab_options, possible};
use super::steering::{assert_delay, median_us};

/// Long enough for four pings.
const LASTS: Duration = Duration::from_secs(1);

fn place(lab: &Lab, pod: &str) -> Place {
    Place::from(lab.pod(pod).expect("pod"))
}

fn serve(place: &Place) -> ProbeServer {
    ProbeServer::serve(place, 0).expect("serve")
}

/// All that was to go through has, and nothing was sent again.
fn assert_whole(measured: &Measured) {
    assert_eq!(measured.ping.lost(), 0, "{measured:#?}");
    assert!((3..=5).contains(&measured.ping.sent), "{measured:#?}");
    assert!(measured.requests.answered >= 5, "{measured:#?}");
    assert_eq!(measured.requests.connect.count, 1, "{measured:#?}");
    assert_eq!(measured.requests.failures.total(), 0, "{measured:#?}");
    let sides = [measured.requests.client, measured.requests.server];
    let transfers = [(&measured.down, 100_000), (&measured.up, 40_000)];
    for (transfer, bytes) in transfers {
        assert!(
            transfer.completed && transfer.failure.is_none(),
            "{transfer:?}"
        );
        assert_eq!((transfer.wanted, transfer.bytes), (bytes, bytes));
        let rate = f64::from(bytes) * 8.0 / transfer.seconds;
        assert!(
            (transfer.bits_per_second - rate).abs() < 1.0,
            "{transfer:?}"
        );
    }
    for side in sides
        .iter()
        .chain(transfers.map(|(transfer, _)| &transfer.sender))
    {
        assert_eq!(
            (side.retransmits, side.send_mss),
            (0, 1450 - 52),
            "{measured:#?}"
        );
    }
}

#[test]
fn healthy_pairs_are_measured_at_the_same_time_and_agree_with_ping() {
    if !possible("probe::healthy_pairs_are_measured_at_the_same_time_and_agree_with_ping") {
        return;
    }
    let wire = WireId {
        node: "n2".into(),
        device: "lima0".into(),
    };
    let lab = Lab::up(Options {
        delay_boxes: vec![wire.clone()],
        ..lab_options(Scenario::H2, "probe")
    })
    .expect("lab comes up");
    lab.set_wire_delay(&wire, Duration::from_millis(10))
        .expect("set");
    let [one, two, three] = ["n1-a", "n2-a", "n3-a"].map(|pod| place(&lab, pod));
    // The box has read its setting by then, too.
    assert_delay("ping driver", median_us(&one, &two), 20.0);
    let servers = [&two, &three].map(serve);
    let pairs = [0, 1].map(|number| {
        let probe = Probe::new(one.clone(), servers[number].address(), LASTS);
        let probe = Probe {
            datagrams: Some(500),
            ..probe
        };
        (probe, &servers[number])
    });
    let begun = Instant::now();
    let measured = Probe::drive_all(&pairs, &Stop::default());
    let [far, near] = measured.as_slice() else {
        panic!("two answers")
    };
    assert!(
        begun.elapsed() < 2 * LASTS,
        "one after the other: {:?}",
        begun.elapsed()
    );
    let (far, near) = (far.as_ref().expect("far"), near.as_ref().expect("near"));
    for (measured, wanted_ms) in [(far, 20.0), (near, 0.0)] {
        assert_whole(measured);
        let datagrams = measured.datagrams.as_ref().expect("wanted");
        assert!(
            datagrams.sent >= 5 && datagrams.lost() == 0,
            "{datagrams:?}"
        );
        let requests = &measured.requests;
        for (what, found) in [
            ("ping", measured.ping.round_trip.p50_us),
            ("datagrams", datagrams.round_trip.p50_us),
            ("requests", requests.latency.p50_us),
            ("handshake", requests.connect.p50_us),
            ("TCP at the client", requests.client.rtt.p50_us),
            ("TCP at the server", requests.server.rtt.p50_us),
            ("shortest of TCP", f64::from(requests.client.min_rtt_us)),
            (
                "handshake of the transfer",
                measured.up.connect_us.expect("connected"),
            ),
        ] {
            assert_delay(what, found, wanted_ms);
        }
    }
    let text = serde_json::to_value(far).expect("JSON");
    assert_eq!(text["down"]["bytes"], 100_000);
    assert_eq!(text["requests"]["client"]["retransmits"], 0);
}

#[test]
fn black_hole_for_long_packets_shows_in_the_transfers_only() {
    if !possible("probe::black_hole_for_long_packets_shows_in_the_transfers_only") {
        return;
    }
    let lab = Lab::up(lab_options(Scenario::H6, "hole")).expect("lab comes up");
    let [here, there] = ["n1-a", "n1-b"].map(|pod| place(&lab, pod));
    let port = &lab.pod("n1-a").expect("pod").host_veth;
    // The bridge drops what this port does not take, without a word to the sender; and the pod's
    // own device refuses what its other end does not take.
    lab.set_mtu("n1", port, 1230).expect("set");
    for pod in ["n1-a", "n1-b"] {
        lab.send_single_packets(pod, "eth0").expect("set");
    }
    let read = || Counters::read(&there.netns).expect("counters");
    let before = read();
    let server = serve(&there);
    let probe = Probe::new(here, server.address(), 2 * LASTS);
    let measured = probe.drive(&server, &Stop::default()).expect("measured");
    assert_eq!(measured.ping.lost(), 0, "{measured:#?}");
    let requests = &measured.requests;
    assert!(requests.answered >= 10, "{requests:?}");
    assert_eq!(
        (requests.failures.total(), requests.server.retransmits),
        (0, 0)
    );
    let (down, up) = (&measured.down, &measured.up);
    assert_eq!(up.failure.as_deref(), Some("transfer: timed out"), "{up:?}");
    assert_eq!((up.bytes, up.completed), (0, false), "{up:?}");
    assert_eq!(
        down.failure.as_deref(),
        Some("transfer: timed out"),
        "{down:?}"
    );
    assert!(!down.completed && down.bytes < down.wanted, "{down:?}");
    assert!(
        down.connect_us.is_some() && down.sender.retransmits > 0,
        "{down:?}"
    );
    let kernel = read().since(&before).get("TcpRetransSegs");
    let counted = i64::from(down.sender.retransmits);
    assert!(
        (0..=1).contains(&(kernel - counted)),
        "the kernel says {kernel}: {down:?}"
    );
}

#[test]
fn silence_is_a_result_and_ends_in_time() {
    if !possible("probe::silence_is_a_result_and_ends_in_time") {
        return;
    }
    let lab = Lab::up(lab_options(Scenario::H2, "silent")).expect("lab comes up");
    let [here, there] = ["n1-a", "n2-a"].map(|pod| place(&lab, pod));
    let server = serve(&there);
    let drop_all =
        "table ip silent { chain input { type filter hook input priority 0; policy drop; }; }";
    let done = lab
        .command("n2-a", &["nft", drop_all])
        .expect("command")
        .status();
    assert!(done.expect("nft").success());
    let probe = Probe {
        datagrams: Some(100),
        ..Probe::new(here.clone(), server.address(), 2 * LASTS)
    };
    let begun = Instant::now();
    let measured = probe.drive(&server, &Stop::default()).expect("measured");
    // The last echo request may wait for its answer.
    assert!(
        begun.elapsed() < 2 * LASTS + Duration::from_millis(1500),
        "{measured:#?}"
    );
    let datagrams = measured.datagrams.as_ref().expect("wanted");
    for echoes in [&measured.ping, datagrams] {
        assert_eq!(
            (echoes.received, echoes.failures.total()),
            (0, 0),
            "{echoes:?}"
        );
        assert!(
            echoes.sent >= 2 && echoes.lost() == echoes.sent,
            "{echoes:?}"
        );
    }
    assert_eq!(measured.requests.answered, 0);
    assert_eq!(
        measured.requests.failures.timeouts(),
        1,
        "{:?}",
        measured.requests
    );
    for transfer in [&measured.down, &measured.up] {
        assert_eq!(transfer.failure.as_deref(), Some("connect: timed out"));
        assert_eq!((transfer.bytes, transfer.completed), (0, false));
    }

    // Nobody listens any more: the kernel answers for the server.
    let done = lab
        .command("n2-a", &["nft", "delete table ip silent"])
        .expect("command")
        .status();
    assert!(done.expect("nft").success());
    let address = server.address();
    drop(server);
    let other = serve(&there);
    let probe = Probe {
        datagrams: Some(100),
        ..Probe::new(here, address, LASTS)
    };
    let measured = probe.drive(&other, &Stop::default()).expect("measured");
    assert_eq!(measured.ping.lost(), 0);
    assert_eq!(
        measured.up.failure.as_deref(),
        Some("connect: connection refused")
    );
    let failures = &measured.requests.failures;
    assert!(
        failures.total() >= 5 && failures.timeouts() == 0,
        "{failures:?}"
    );
    assert_eq!(measured.datagrams.expect("wanted").received, 0);
}

#[test]
fn probe_stops_when_it_is_told_to() {
    if !possible("probe::probe_stops_when_it_is_told_to") {
        return;
    }
    let lab = Lab::up(lab_options(Scenario::H2, "stop")).expect("lab comes up");
    let [here, there] = ["n1-a", "n2-a"].map(|pod| place(&lab, pod));
    let server = serve(&there);
    let probe = Probe::new(here, server.address(), 60 * LASTS);
    let stop = Stop::default();
    let measured = thread::scope(|scope| {
        let driving = scope.spawn(|| probe.drive(&server, &stop));
        thread::sleep(LASTS);
        stop.set();
        driving.join().expect("no panic").expect("measured")
    });
    assert!(measured.seconds < 1.5, "{measured:#?}");
    assert_whole(&measured);
}
