//! A storm of packets that the kernel drops costs the agent no processor: foreign ones the program at the
//! tracepoint lets go; the node's own ones it counts in the kernel, to the last, and user space hears of
//! a pair once.

use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use xtask::lab::topology::{BRIDGE, VXLAN};
use xtask::lab::{Lab, Pod, Scenario, netns};
use xtask::oracle::Counters;
use xtask::skip;
use xtask::traffic::{Datagrams, Fragmenting, Ping, Place, Stop};

use super::agent::{Agent, Ended};
use super::bench::{agents_on, lab, options, run, turn};
use super::output::Oversize;
use super::oversize::stand;

/// How long the storm lasts.
const STORM: Duration = Duration::from_secs(5);
/// Drops per second that make it one.
const RATE: u64 = 100_000;
/// The same of those that the pod is told: each costs the kernel an error beside it.
const TOLD: u64 = 20_000;
/// Share of one processor that the agent may take, percent.
const SHARE: u64 = 2;
/// Milliseconds of a tick of processor time on every architecture that the lab runs on (`USER_HZ`).
const TICK: u64 = 10;
/// Senders.
const THREADS: usize = 2;
/// Pairs of addresses in a storm of many.
const PAIRS: u32 = 20_000;

#[test]
fn a_storm_of_foreign_drops_costs_the_agent_no_processor() {
    let test = "load_drops::a_storm_of_foreign_drops_costs_the_agent_no_processor";
    let Some(_turn) = turn(test) else { return };
    let lab = lab(options(Scenario::H2, "storm"));
    let (agent, [_, pod]) = stage(&lab);
    let rules = "table inet storm {\ncounter dropped { }\nchain input {\n\
                 type filter hook input priority 0\nudp dport 9 counter name dropped drop\n}\n}";
    run(&pod.netns, &["nft", rules]);
    let cost = Cost::of(
        &agent,
        || dropped(pod),
        || {
            flood_for(STORM, |stop| flood(pod, stop, (&[Ipv4Addr::LOCALHOST], 5)));
        },
    );
    let ended = calm_end(agent);
    assert_eq!(oversize(&ended), [0, 0]);
    assert_unheard(&ended);
    cost.judge(test, RATE);
}

#[test]
fn a_storm_of_drops_that_the_pod_is_told_costs_the_agent_no_processor() {
    let test = "load_drops::a_storm_of_drops_that_the_pod_is_told_costs_the_agent_no_processor";
    let Some(_turn) = turn(test) else { return };
    let lab = lab(options(Scenario::H2, "told"));
    let (agent, [pod, far]) = stage(&lab);
    let node = &lab.nodes()[0];
    lab.set_mtu(&node.name, VXLAN, stand::FORMER).expect("MTU");
    let counters = || Counters::read(&node.netns).expect("counters");
    let before = counters();
    let count = |name| u64::try_from(counters().since(&before).get(name)).expect("grown");
    let datagrams = Datagrams {
        fragmenting: Fragmenting::Probing,
        ..Datagrams::new(Place::from(pod), Place::from(far), u32::MAX, stand::PAYLOAD)
    };
    let storm = |stop: &Stop| {
        datagrams.drive(stop).expect("datagrams");
    };
    let cost = Cost::of(&agent, || count("IpFragFails"), || flood_for(STORM, storm));
    let errors = count("IcmpOutDestUnreachs");
    let ended = calm_end(agent);
    assert_eq!(oversize(&ended), [cost.drops, errors]);
    assert_unheard(&ended);
    cost.judge(test, TOLD);
}

#[test]
fn a_storm_of_silent_drops_costs_the_agent_no_processor() {
    let test = "load_drops::a_storm_of_silent_drops_costs_the_agent_no_processor";
    let Some(_turn) = turn(test) else { return };
    let lab = lab(options(Scenario::H2, "silent"));
    let (agent, [pod, far]) = stage(&lab);
    check_silent(test, &lab, agent, pod, &[far.address]);
}

#[test]
fn a_storm_of_silent_drops_of_many_pairs_costs_the_agent_no_processor() {
    let test = "load_drops::a_storm_of_silent_drops_of_many_pairs_costs_the_agent_no_processor";
    let Some(_turn) = turn(test) else { return };
    let lab = lab(options(Scenario::H2, "many"));
    let (agent, [pod, _]) = stage(&lab);
    // Wherever they are, but on the pod's own link, where it would ask for them first: the packets get no
    // further than the pod's own device.
    let first = Ipv4Addr::new(10, 42, 0, 0).to_bits();
    let targets = (first..first + PAIRS).map(Ipv4Addr::from_bits);
    let is_far = |target: &Ipv4Addr| target.octets()[..3] != pod.address.octets()[..3];
    let targets: Vec<_> = targets.filter(is_far).collect();
    check_silent(test, &lab, agent, pod, &targets);
}

/// The pod's port is too narrow for what it sends to these addresses.
fn check_silent(test: &str, lab: &Lab, agent: Agent, pod: &Pod, targets: &[Ipv4Addr]) {
    let node = &lab.nodes()[0];
    let narrow = |device: &str, mtu| lab.set_mtu(&node.name, device, mtu).expect("MTU");
    narrow(&pod.host_veth, stand::FORMER);
    narrow(BRIDGE, node.pod_mtu);
    let storm = |stop: &Stop| flood(pod, stop, (targets, stand::PAYLOAD));
    let lost = || stand::dropped(&pod.netns, "eth0");
    let cost = Cost::of(&agent, lost, || flood_for(STORM, storm));
    let ended = calm_end(agent);
    assert_eq!(oversize(&ended), [cost.drops, 0]);
    // Of many pairs some ask for a number, as many as the ring may or may not hold.
    if targets.len() == 1 {
        assert_unheard(&ended);
    }
    cost.judge(test, RATE);
}

/// An agent on the first node that reports as often as it does by default, which knows the pair of these
/// two pods: its own, and the next node's.
fn stage(lab: &Lab) -> (Agent, [&Pod; 2]) {
    let [own, other] = [0, 1].map(|node| &lab.nodes()[node]);
    let mut agents = agents_on([own].into_iter(), &["--interval", "5s"]);
    let pods = [own, other].map(|node| &node.pods[0]);
    let agent = agents.remove(0);
    agent.await_path(pods.map(|pod| pod.address.into()), || {
        let ping = Ping::new(Place::from(pods[0]), pods[1].address, 1);
        assert_eq!(ping.drive(&Stop::default()).expect("ping").received, 1);
    });
    (agent, pods)
}

/// What a storm was, and took of the agent.
struct Cost {
    drops: u64,
    /// Processor time, in ticks.
    used: u64,
    millis: u64,
}

impl Cost {
    fn of(agent: &Agent, drops: impl Fn() -> u64, storm: impl FnOnce()) -> Self {
        let began = [ticks(agent.pid()), drops()];
        let start = Instant::now();
        storm();
        let millis = u64::try_from(start.elapsed().as_millis()).expect("short");
        let [used, drops] = [ticks(agent.pid()) - began[0], drops() - began[1]];
        let cost = Self {
            drops,
            used,
            millis,
        };
        eprintln!(
            "{} drops per second; the agent took {} ms in {millis} ms",
            cost.rate(),
            used * TICK
        );
        cost
    }

    /// Drops per second.
    fn rate(&self) -> u64 {
        self.drops * 1_000 / self.millis
    }

    fn judge(&self, test: &str, least: u64) {
        assert!(
            self.used * TICK * 100 <= SHARE * self.millis,
            "more than {SHARE} % of a processor"
        );
        let rate = self.rate();
        if rate < least {
            skip::skip(
                test,
                &format!("this machine dropped {rate} packets a second, not {least}"),
            );
        }
    }
}

/// Ends the agent, which lost nothing uncounted.
fn calm_end(agent: Agent) -> Ended {
    let ended = agent.end();
    let ledger = &ended.last().ledger;
    for loss in [
        "drops_refused",
        "announced_refused",
        "drops_unreadable",
        "blind_spot",
    ] {
        assert_eq!(ledger.get(loss), 0, "{loss}");
    }
    ended
}

/// A record of each drop would have filled the ring many times, however little the agent was let run.
fn assert_unheard(ended: &Ended) {
    assert_eq!(ended.last().ledger.get("ring_full"), 0);
}

/// Drops, and errors that a pod was told.
fn oversize(ended: &Ended) -> [u64; 2] {
    let paths = ended.last().paths.iter();
    let found: Vec<_> = paths.filter_map(|path| path.oversize.as_ref()).collect();
    let told = found.iter().flat_map(|found| Oversize::announced(found));
    [
        found.iter().map(|found| found.drops).sum(),
        told.map(|told| told.packets).sum(),
    ]
}

/// Has senders send for a time.
fn flood_for(time: Duration, send: impl Fn(&Stop) + Sync) {
    let stop = Stop::default();
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| send(&stop));
        }
        thread::sleep(time);
        stop.set();
    });
}

/// Sends datagrams of this length from a pod to these addresses in turn, as fast as this machine can.
fn flood(pod: &Pod, stop: &Stop, (targets, length): (&[Ipv4Addr], usize)) {
    let send = || {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a socket");
        let datagram = vec![b'd'; length];
        for target in targets.iter().cycle().take_while(|_| !stop.is_set()) {
            socket.send_to(&datagram, (*target, 9)).expect("send");
        }
    };
    netns::within(&pod.netns, send).expect("namespace");
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
