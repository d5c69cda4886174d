//! A storm of packets that the kernel drops for other reasons costs the agent no processor: the program
//! at the tracepoint lets them go, and user space hears nothing.

use std::fs;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use xtask::lab::{Pod, Scenario, netns};
use xtask::skip;
use xtask::traffic::Stop;

use super::bench::{agents_on, lab, options, run, turn};

/// How long the storm lasts.
const STORM: Duration = Duration::from_secs(5);
/// Drops per second that make it one.
const RATE: u64 = 100_000;
/// Share of one processor that the agent may take, percent.
const SHARE: u64 = 2;
/// Milliseconds of a tick of processor time on every architecture that the lab runs on (`USER_HZ`).
const TICK: u64 = 10;
/// Senders.
const THREADS: usize = 2;

#[test]
fn a_storm_of_foreign_drops_costs_the_agent_no_processor() {
    let test = "load_drops::a_storm_of_foreign_drops_costs_the_agent_no_processor";
    let Some(_turn) = turn(test) else { return };
    let lab = lab(options(Scenario::H2, "storm"));
    let [own, other] = [0, 1].map(|node| &lab.nodes()[node]);
    // As often as it is by default.
    let agents = agents_on([own].into_iter(), &["--interval", "5s"]);
    let [agent] = &*agents else { unreachable!() };
    let pod = &other.pods[0];
    let rules = "table inet storm {\ncounter dropped { }\nchain input {\n\
                 type filter hook input priority 0\nudp dport 9 counter name dropped drop\n}\n}";
    run(&pod.netns, &["nft", rules]);
    let began = [ticks(agent.pid()), dropped(pod)];
    let start = Instant::now();
    storm(pod);
    let took = start.elapsed();
    let [used, drops] = [ticks(agent.pid()) - began[0], dropped(pod) - began[1]];
    let millis = u64::try_from(took.as_millis()).expect("short");
    let rate = drops * 1_000 / millis;
    eprintln!(
        "{rate} drops per second; the agent took {} ms in {millis} ms",
        used * TICK
    );
    for ended in agents.into_iter().map(super::agent::Agent::end) {
        let oversize = ended
            .last()
            .paths
            .iter()
            .filter_map(|path| path.oversize.as_ref());
        assert_eq!(oversize.map(|found| found.drops).sum::<u64>(), 0);
        for loss in ["drops_refused", "drops_unreadable", "blind_spot"] {
            assert_eq!(ended.last().ledger.get(loss), 0, "{loss}");
        }
    }
    assert!(
        used * TICK * 100 <= SHARE * millis,
        "more than {SHARE} % of a processor"
    );
    if rate < RATE {
        skip::skip(
            test,
            &format!("this machine dropped {rate} packets a second, not {RATE}"),
        );
    }
}

/// Sends what the rules of a pod drop, as fast as this machine can.
fn storm(pod: &Pod) {
    let stop = Stop::default();
    let sent = AtomicU64::new(0);
    let send = || {
        let socket = UdpSocket::bind(("127.0.0.1", 0)).expect("a socket");
        socket.connect(("127.0.0.1", 9)).expect("connect");
        while !stop.is_set() {
            for _ in 0..100 {
                socket.send(b"storm").expect("send");
            }
            sent.fetch_add(100, Ordering::Relaxed);
        }
    };
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| netns::within(&pod.netns, send).expect("namespace"));
        }
        thread::sleep(STORM);
        stop.set();
    });
    assert!(sent.into_inner() > 0);
}

/// Packets that the rules have dropped.
fn dropped(pod: &Pod) -> u64 {
    let argv = ["nft", "-j", "list", "counters"];
    let said = netns::command(&pod.netns, &argv).output().expect("nft");
    let said: Value = serde_json::from_slice(&said.stdout).expect("JSON");
    let listed = said["nftables"].as_array().expect("a list");
    let counter = listed.iter().find_map(|object| object.get("counter"));
    counter.expect("a counter")["packets"]
        .as_u64()
        .expect("a count")
}

/// Processor time of a process, in ticks.
fn ticks(pid: u32) -> u64 {
    let said = fs::read_to_string(format!("/proc/{pid}/stat")).expect("its state");
    let behind = said.rsplit(')').next().expect("its name ends");
    let fields: Vec<&str> = behind.split_whitespace().collect();
    let of = |place: usize| fields[place].parse::<u64>().expect("a count");
    // utime and stime, fields 14 and 15 of proc_pid_stat(5).
    of(11) + of(12)
}
