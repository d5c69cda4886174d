//! A flow entry that is given away while a program looks at it: the packet's bit stays in the entry of
//! another flow. Two processors insert into a full table without pause; since the kernel hardly ever
//! loses that race, the test also leaves such bits itself. None of them may be firm, so that none
//! reaches a finding. Needs root.
//!
//! `NETPATH_STRESS_SECONDS` sets how long it tries.

#[path = "../../xtask/src/skip.rs"]
#[expect(unreachable_pub, reason = "a library of xtask, a module here")]
mod skip;

use std::env;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use aya::programs::{SchedClassifier, TestRun, TestRunOptions};
use observer::kernel::{Object, Sizes, monotonic_nanos};
use observer::latency::Silence;
use observer::sweep::{Snapshot, read};
use observer_ebpf::abi::FIRST_PATH;
use observer_ebpf::abi::biflow::{Assignment, Carriage, trajectory_bit};
use observer_ebpf::abi::control::{Control, Cover, Prefix};
use observer_ebpf::abi::key::{Address, NetworkKey, PairKey};
use observer_ebpf::abi::point::{FlowDirection, Hook, Point, Site};
use observer_ebpf::fixtures::layers::{IPV4, Ipv4, UDP, ethernet, udp};
use observer_ebpf::units::Monotonic;

use skip::skip;

/// Overrides [`SECONDS`].
const SETTING: &str = "NETPATH_STRESS_SECONDS";
const SECONDS: u64 = 6;
/// An epoch: as short as it can be, so that there are many sweeps.
const EPOCH: Duration = Duration::from_millis(20);
/// Entries of the flow table: evicted again and again, but not all of them within an epoch.
const ENTRIES: u32 = 4_096;
/// One bit is forged in so many epochs: two in a row would be two epochs' word.
const FORGED: u64 = 4;

/// Two kinds of traffic that never meet: each at a site of its own, on a path of its own.
const KINDS: [Kind; 2] = [
    Kind {
        site: Site {
            point: Point::Bridge,
            hook: Hook::Ingress,
        },
        pods: [[10, 42, 1, 2], [10, 42, 2, 3]],
    },
    Kind {
        site: Site {
            point: Point::Overlay,
            hook: Hook::Egress,
        },
        pods: [[10, 42, 1, 4], [10, 42, 2, 5]],
    },
];

#[derive(Clone, Copy)]
struct Kind {
    site: Site,
    pods: [[u8; 4]; 2],
}

impl Kind {
    /// The one bit that its packets set.
    fn bit(self) -> u32 {
        1 << trajectory_bit(self.site, Carriage::Plain)
    }

    /// A datagram of flow `number`.
    fn frame(self, number: u16) -> Vec<u8> {
        let [from, to] = self.pods;
        let packet = Ipv4::new(from, to, UDP);
        ethernet(IPV4, &packet.around(&udp(number, 9_000, &[0x71; 18])))
    }
}

#[test]
fn bits_left_in_evicted_entries_are_never_firm() {
    // SAFETY: a call without arguments that cannot fail.
    if unsafe { libc::geteuid() } != 0 {
        return skip(
            "bits_left_in_evicted_entries_are_never_firm",
            "needs root: loads kernel programs",
        );
    }
    let seconds = env::var(SETTING).map_or(SECONDS, |text| text.parse().expect("seconds"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .expect("runtime");
    let _entered = runtime.enter();
    let mut object = stage();
    let programs = KINDS.map(|kind| handle(&mut object, kind.site));
    let ended = &AtomicBool::new(false);
    let stray = &Mutex::new(None);
    let mut found = Found::default();
    thread::scope(|scope| {
        for (kind, program) in KINDS.into_iter().zip(&programs) {
            scope.spawn(move || storm(kind, program, stray, ended));
        }
        let deadline = Instant::now() + Duration::from_secs(seconds);
        let mut snapshot = Snapshot::default();
        while Instant::now() < deadline {
            let is_forged = found.sweeps % FORGED == 0;
            set(stray, is_forged.then_some(found.sweeps));
            thread::sleep(EPOCH);
            set(stray, None);
            let mut control = object.control.get();
            let epoch = control.epoch;
            control.epoch += 1;
            object.control.set(control);
            let silence = Silence {
                node: "n1",
                now: Monotonic(monotonic_nanos()),
                epoch,
                echo_rate: 0,
            };
            read(
                &mut object,
                &mut snapshot,
                &silence,
                FIRST_PATH + 2,
                |_, _| {},
            )
            .expect("read the maps");
            found.add(&snapshot);
        }
        ended.store(true, Ordering::Relaxed);
    });
    println!("{found:?}");
    assert!(
        found.sweeps > 2 * seconds && found.true_firm >= found.sweeps,
        "{found:?}"
    );
    assert!(found.false_bits > 0, "{found:?}");
    assert_eq!(found.false_firm, 0, "{found:?}");
}

/// Sweeps, and what they saw of both paths.
#[derive(Debug, Default)]
struct Found {
    sweeps: u64,
    /// Directions whose own bit was firm.
    true_firm: u64,
    /// Directions with the other kind's bit.
    false_bits: u64,
    /// Those where it was firm.
    false_firm: u64,
}

impl Found {
    fn add(&mut self, snapshot: &Snapshot) {
        self.sweeps += 1;
        for (path, (own, other)) in (FIRST_PATH..).zip([(0, 1), (1, 0)]) {
            for direction in FlowDirection::ALL {
                let Some(seen) = snapshot.seen.direction(path, direction) else {
                    continue;
                };
                let has = |bits: u32, kind: usize| u64::from(bits & KINDS[kind].bit() != 0);
                self.true_firm += has(seen.firm, own);
                self.false_bits += has(seen.bits, other);
                self.false_firm += has(seen.firm, other);
            }
        }
    }
}

/// New flows without pause until it is over. A stray flow of the first kind is shown to the second
/// one's program too: its bit then stands in one entry of the other path, in one epoch, as a program
/// leaves it that still held the entry when its owner changed.
fn storm(kind: Kind, program: &SchedClassifier, stray: &Mutex<Option<u64>>, ended: &AtomicBool) {
    let [first, second] = KINDS;
    let mut number = 0_u16;
    while !ended.load(Ordering::Relaxed) {
        number = number.wrapping_add(1);
        show(program, &kind.frame(number));
        if kind.site == second.site && number.is_multiple_of(16) {
            let stray = stray.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(flow) = *stray {
                show(program, &first.frame(u16::try_from(flow).unwrap_or(0)));
            }
        }
    }
}

/// Once this is back, no further packet of the stray flow before is shown.
fn set(stray: &Mutex<Option<u64>>, flow: Option<u64>) {
    *stray.lock().unwrap_or_else(PoisonError::into_inner) = flow;
}

/// Runs a program on one frame.
fn show(program: &SchedClassifier, frame: &[u8]) {
    let options = TestRunOptions {
        data_in: Some(frame),
        repeat: 1,
        ..TestRunOptions::new()
    };
    program.test_run(options).expect("run");
}

/// Both pairs named, no budgets.
fn stage() -> Object {
    let mut object = Object::load(Sizes {
        biflows: ENTRIES,
        ring: 4_096,
        wired: false,
    })
    .expect("create the maps");
    let pods = Address::v4([10, 42, 0, 0]);
    let network = NetworkKey {
        length: 96 + 16,
        octets: pods.octets(),
    };
    object.networks.put(&network, &1).expect("network");
    for (path, kind) in (FIRST_PATH..).zip(KINDS) {
        let [low, high] = kind.pods.map(Address::v4);
        let assignment = Assignment {
            path,
            rate: 31,
            flags: 0,
        };
        let pair = PairKey { low, high };
        object.pairs.put(&pair, &assignment.word()).expect("pair");
    }
    let mut mask = [0xff; 16];
    mask[14..].fill(0);
    let cover = Prefix {
        value: pods,
        mask: Address::v6(mask),
    };
    object.control.set(Control {
        cover: Cover::of(&cover, &Prefix::NONE),
        epoch: 1,
        pairs_version: 1,
        limits: [u32::MAX, u32::MAX, u32::MAX, u32::MAX, 0],
        window_shift: 5,
        rate: 31,
        ..Control::default()
    });
    object
}

/// A second handle of a program, for a thread of its own.
fn handle(object: &mut Object, site: Site) -> SchedClassifier {
    let program = object.program(site.point, site.hook).expect("program");
    let info = program.info().expect("its description");
    SchedClassifier::from_program_info(info, "storm".into()).expect("its handle")
}
