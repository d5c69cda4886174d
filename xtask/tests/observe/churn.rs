//! Pods that come and go: each port is observed within a second, and nothing of it stays with the
//! agent: no descriptor, no memory, no program or link in the kernel.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use observer_ebpf::abi::point::Point;
use xtask::lab::{PodGuard, Scenario};
use xtask::traffic::{Ping, Place, Stop};

use super::agent::PATIENCE;
use super::bench::{agents_on, lab, options, turn};
use super::kernel::{Holdings, Maps, attached};

/// Pods that come and go, in how long at most, and how many are there at once.
const PODS: usize = 200;
const TIME: Duration = Duration::from_mins(1);
const TOGETHER: usize = 10;
/// Pods before what the agent holds is looked at: its tables have grown to their size by then.
const WARM: usize = 40;
/// From a pod that is made to its port that is observed.
const WITHIN: Duration = Duration::from_secs(1);
/// Growth that is no leak: a path and its report for each pair of addresses, kept for minutes.
const GROWTH_KIB: u64 = 2_048;
const POLL: Duration = Duration::from_millis(2);

#[test]
fn two_hundred_pods_in_a_minute_are_observed_and_leave_nothing() {
    let Some(_turn) = turn("churn::two_hundred_pods_in_a_minute_are_observed_and_leave_nothing")
    else {
        return;
    };
    let lab = lab(options(Scenario::H2, "churn"));
    let [node, far] = [0, 1].map(|place| &lab.nodes()[place]);
    let agent = agents_on([node].into_iter(), &[]).remove(0);
    let begin = Held::of(agent.pid());
    let maps = Maps::of(agent.pid());
    let (begun, mut warm, mut slowest) = (Instant::now(), None, Duration::ZERO);
    let mut there: Vec<PodGuard> = Vec::new();
    for number in 0..PODS {
        if there.len() == TOGETHER {
            there.remove(0).remove().expect("pod goes");
        }
        let pod = lab.add_pod(&node.name).expect("pod comes");
        let made = Instant::now();
        while attached(&node.netns, &pod.host_veth) != [1, 1] {
            assert!(made.elapsed() < PATIENCE, "{}", agent.errors());
            thread::sleep(POLL);
        }
        slowest = slowest.max(made.elapsed());
        // Reading all rows takes its time.
        let is_looked_at = number % 8 == 0;
        let counts = || maps.read().pods[Point::Port as usize].buffers;
        let before = is_looked_at.then(counts);
        let ping = Ping::new(Place::from(&*pod), far.pods[0].address, 2);
        let answered = ping.drive(&Stop::default()).expect("ping").received;
        assert_eq!(answered, 2, "{}", pod.name);
        if let Some(before) = before {
            assert!(counts() >= before + 4, "{} is not counted", pod.name);
        }
        there.push(pod);
        if number == WARM {
            warm = Some(Held::of(agent.pid()));
        }
    }
    drop(there);
    let took = begun.elapsed();
    eprintln!("{PODS} pods in {took:?}, the slowest port observed after {slowest:?}");
    assert!(slowest < WITHIN, "{slowest:?}");
    // The last ports' events may be on their way.
    let deadline = Instant::now() + PATIENCE;
    let end = loop {
        let end = Held::of(agent.pid());
        if end.kernel == begin.kernel && end.descriptors == begin.descriptors {
            break end;
        }
        assert!(Instant::now() < deadline, "{begin:?} became {end:?}");
        thread::sleep(Duration::from_millis(50));
    };
    let warm = warm.expect("more pods than that");
    eprintln!(
        "resident: {} KiB, warm {} KiB, end {} KiB",
        begin.resident, warm.resident, end.resident
    );
    assert!(
        end.resident <= warm.resident + GROWTH_KIB,
        "{warm:?} became {end:?}"
    );
    let sweep = agent.next_sweep();
    assert_eq!(sweep.ledger.get("not_attached"), 0, "{sweep:?}");
    assert!(took < TIME, "{took:?}");
}

/// What a process holds.
#[derive(Debug)]
struct Held {
    kernel: Holdings,
    descriptors: usize,
    /// KiB.
    resident: u64,
}

impl Held {
    fn of(pid: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("a living process");
        let resident = status.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            (name == "VmRSS").then(|| value.trim().split(' ').next()?.parse().ok())?
        });
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).expect("a living process");
        Self {
            kernel: Holdings::of(pid),
            descriptors: descriptors.count(),
            resident: resident.expect("a number"),
        }
    }
}
