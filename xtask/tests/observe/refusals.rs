//! What the kernel programs refuse, told to people at log level debug: device, length and reason, no
//! more lines than the budget allows, and every refusal either told or counted as not told.

use std::io;
use std::net::SocketAddrV4;
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};
use xtask::lab::{Pod, Scenario, netns};

use super::bench::{agents_on, lab, options, turn};

/// Told refusals per second at most: 20, rounded up to whole ones per accounting window.
const PER_SECOND: u64 = 30;
const FEW: u64 = 5;
const FLOOD: u64 = 3_000;

#[test]
fn lies_are_told_with_device_and_reason_and_a_flood_of_them_is_counted() {
    let test = "refusals::lies_are_told_with_device_and_reason_and_a_flood_of_them_is_counted";
    let Some(_turn) = turn(test) else { return };
    let lab = lab(options(Scenario::H2, "lies"));
    let [from, to] = [0, 1].map(|place| &lab.nodes()[place].pods[0]);
    let node = lab.nodes().iter().take(1);
    let agent = agents_on(node.clone(), &["--log", "debug"]).remove(0);
    lie(from, to, FEW, Duration::from_millis(300));
    let told = "the lies";
    agent.await_sweep(told, |sweep| refused(sweep) >= 4 * FEW);
    for device in [from.host_veth.as_str(), "cni0", "flannel.1"] {
        let of_device = |line: &&str| line.contains(&format!("device=\"{device}\""));
        let said = agent.errors();
        let lines = said
            .lines()
            .filter(|line| line.contains("refused"))
            .filter(of_device);
        let first = lines.clone().next();
        eprintln!("{}", first.unwrap_or_default());
        let first = first.unwrap_or_else(|| panic!("{device}: {}", agent.errors()));
        assert!(first.contains("frame refused"), "{first}");
        assert!(first.contains("UDP length below 8"), "{first}");
        assert!(lines.count() as u64 >= FEW, "{device}: {}", agent.errors());
    }
    let begun = Instant::now();
    lie(from, to, FLOOD, Duration::ZERO);
    let took = begun.elapsed().as_secs();
    let sweep = agent.await_sweep(told, |sweep| refused(sweep) >= 4 * (FEW + FLOOD));
    let ended = agent.end();
    let told = ended
        .errors
        .lines()
        .filter(|line| line.contains("refused"))
        .count() as u64;
    let most = 4 * FEW + PER_SECOND * (took + 2);
    assert!(told <= most, "{told} lines in {took} s");
    let ledger = &ended.last().ledger;
    let untold = ledger.get("message_budget");
    assert_eq!(told + untold, refused(ended.last()), "{sweep:?}");

    let agent = agents_on(node, &[]).remove(0);
    lie(from, to, FLOOD, Duration::ZERO);
    agent.await_sweep("the lies", |sweep| refused(sweep) >= 4 * FLOOD);
    let ended = agent.end();
    assert!(!ended.errors.contains("refused"), "{}", ended.errors);
    assert_eq!(ended.last().ledger.get("message_budget"), 0);
}

/// Frames that lie, by the ledger.
fn refused(sweep: &super::output::Sweep) -> u64 {
    sweep.ledger.reason("parse_rejected", "udp_length")
}

/// UDP headers whose length is below their own.
fn lie(from: &Pod, to: &Pod, count: u64, gap: Duration) {
    let sent = netns::within(&from.netns, || {
        let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::UDP))?;
        let target = SocketAddrV4::new(to.address, 0).into();
        // Ports 1 and 9, length 4, no checksum.
        let header = [0, 1, 0, 9, 0, 4, 0, 0];
        for _ in 0..count {
            socket.send_to(&header, &target)?;
            thread::sleep(gap);
        }
        io::Result::Ok(())
    });
    sent.expect("namespace").expect("raw socket");
}
