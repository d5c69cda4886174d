//! The kernel and the host observer side by side, told the same and shown the same frames.

use std::sync::{Mutex, PoisonError};

use observer::host::{HostObserver, Seen, Sizes};
use observer_ebpf::abi::biflow::Assignment;
use observer_ebpf::abi::control::{Control, Cover, Prefix};
use observer_ebpf::abi::key::{Address, FlowKey, NetworkKey, PairKey};
use observer_ebpf::abi::point::{Point, Site};
use observer_ebpf::abi::relay::RelayKey;
use observer_ebpf::parse::{Framing, KERNEL_DEPTH};
use observer_ebpf::units::Monotonic;

use crate::kernel::{Kernel, is_runnable};
use crate::skip::skip;
use crate::state::State;

/// What the kernel does with a packet when a program does not care: `TCX_NEXT`.
const NEXT: i32 = -1;

/// Between two frames on the host's clock: 1 ms, so that a round trip is never 0.
const STEP: u64 = 1_000_000;

static KERNEL: Mutex<Option<Kernel>> = Mutex::new(None);

/// Both observers.
pub(crate) struct Pair<'a> {
    pub(crate) kernel: &'a mut Kernel,
    pub(crate) host: HostObserver,
    clock: u64,
    step: u64,
}

/// Runs a test on both observers, both empty. Without root it says that it was skipped.
pub(crate) fn with_pair(test: &str, run: impl FnOnce(&mut Pair<'_>)) {
    // SAFETY: a call without arguments that cannot fail.
    if unsafe { libc::geteuid() } != 0 {
        return skip(test, "needs root: loads kernel programs");
    }
    let mut kernel = KERNEL.lock().unwrap_or_else(PoisonError::into_inner);
    let kernel = kernel.get_or_insert_with(Kernel::load);
    let networks = networks();
    kernel.set_networks(&networks);
    let mut host = HostObserver::new(Sizes::default(), control());
    host.networks = networks;
    host.depth = KERNEL_DEPTH;
    let mut pair = Pair {
        kernel,
        host,
        clock: 1_000 * STEP,
        step: STEP,
    };
    pair.clear();
    run(&mut pair);
}

/// Everything selected, budgets that no test spends, one accounting window for ever: then budgets
/// and `last_seen` do not depend on the time.
pub(crate) fn control() -> Control {
    let mask_v4 = {
        let mut mask = [0xff; 16];
        mask[13..].copy_from_slice(&[0xfe, 0, 0]);
        Address::v6(mask)
    };
    let prefix_v6 = |bytes: [u8; 2], rest| {
        let mut octets = [rest; 16];
        octets[..2].copy_from_slice(&bytes);
        Address::v6(octets)
    };
    Control {
        cover: Cover::of(
            &Prefix {
                value: Address::v4([10, 42, 0, 0]),
                mask: mask_v4,
            },
            &Prefix {
                value: prefix_v6([0xfd, 0x42], 0),
                mask: prefix_v6([0xff, 0xff], 0),
            },
        ),
        epoch: 1,
        pairs_version: 1,
        limits: [1_000_000, 1_000_000, 1_000_000, 1_000_000, 0],
        window_shift: 63,
        rate: 0,
        echo_rate: 0,
        ports_attached: 1,
        relays: 0,
        paths_full: 0,
    }
}

fn networks() -> Vec<NetworkKey> {
    let mut v6 = [0; 16];
    v6[..2].copy_from_slice(&[0xfd, 0x42]);
    vec![
        NetworkKey {
            length: 96 + 16,
            octets: Address::v4([10, 42, 0, 0]).octets(),
        },
        NetworkKey {
            length: 96 + 16,
            octets: Address::v4([10, 43, 0, 0]).octets(),
        },
        NetworkKey {
            length: 16,
            octets: v6,
        },
    ]
}

impl Pair<'_> {
    /// Forgets all frames; user space's part stays.
    pub(crate) fn clear(&mut self) {
        self.kernel.reset();
        let mut host = HostObserver::new(Sizes::default(), self.host.control);
        host.networks = std::mem::take(&mut self.host.networks);
        host.nodes = std::mem::take(&mut self.host.nodes);
        host.pairs = std::mem::take(&mut self.host.pairs);
        host.translations = std::mem::take(&mut self.host.translations);
        host.relays = std::mem::take(&mut self.host.relays);
        host.depth = self.host.depth;
        self.host = host;
        self.tell();
    }

    /// Tells the kernel what the host's public part says.
    pub(crate) fn tell(&mut self) {
        self.kernel.set_control(&self.host.control);
        self.kernel.set_nodes(self.host.nodes.iter());
        self.kernel.set_pairs(self.host.pairs.iter());
        self.kernel.set_translations(self.host.translations.iter());
        self.kernel.set_relays(self.host.relays.iter());
    }

    /// Changes what user space says, in both.
    pub(crate) fn control(&mut self, change: impl FnOnce(&mut Control)) {
        change(&mut self.host.control);
        self.kernel.set_control(&self.host.control);
    }

    /// Gives a pair a path and raises the version.
    pub(crate) fn name_pair(&mut self, ends: [Address; 2], path: u16) {
        let [low, high] = ends;
        let assignment = Assignment {
            path,
            rate: self.host.control.rate,
            flags: 0,
        };
        self.host.pairs.insert(PairKey { low, high }, assignment);
        self.host.control.pairs_version += 1;
        self.tell();
    }

    /// Gives a translated flow its own assignment and raises the version.
    pub(crate) fn name_flow(&mut self, key: FlowKey, assignment: Assignment) {
        self.host.translations.insert(key, assignment);
        self.host.control.pairs_version += 1;
        self.tell();
    }

    /// Tells both which addresses nodes have in the pods' networks.
    pub(crate) fn add_nodes(&mut self, nodes: &[[u8; 4]]) {
        let nodes = nodes.iter().copied().map(Address::v4);
        self.host.nodes.extend(nodes);
        self.tell();
    }

    /// Tells both where a relay listens.
    pub(crate) fn add_relay(&mut self, address: Address, port: u16) {
        let key = RelayKey::new(address, port);
        self.host.relays.insert(key);
        self.host.control.relays += 1;
        self.tell();
    }

    /// Shows a frame to both; false if `BPF_PROG_TEST_RUN` does not take frames of its length. The
    /// verdict is neutral and the frame unchanged, whatever it holds.
    pub(crate) fn see(&mut self, site: Site, bytes: &[u8], gso_size: u32, mark: u32) -> bool {
        if !is_runnable(bytes) {
            return false;
        }
        let ran = self.kernel.run(site, bytes, gso_size, mark);
        assert_eq!(ran.verdict, NEXT, "verdict at {site:?}");
        assert!(ran.bytes == bytes, "bytes changed at {site:?}");
        self.see_on_host(site, bytes, gso_size, mark);
        true
    }

    /// Shows a frame to the host alone.
    pub(crate) fn see_on_host(&mut self, site: Site, bytes: &[u8], gso_size: u32, mark: u32) {
        self.see_head_on_host(site, bytes, bytes.len(), (gso_size, mark));
    }

    /// The host alone, and of the frame the first `kept` bytes.
    pub(crate) fn see_head_on_host(
        &mut self,
        site: Site,
        bytes: &[u8],
        kept: usize,
        (gso_size, mark): (u32, u32),
    ) {
        self.clock += self.step;
        self.host.observe_frame(&Seen {
            site,
            framing: framing(site.point),
            bytes: &bytes[..kept],
            length: u32::try_from(bytes.len()).expect("a frame's length"),
            gso_size,
            mark,
            time: Monotonic(self.clock),
        });
    }

    /// Lets time pass on the host's clock alone: the kernel's cannot be moved.
    pub(crate) fn wait_on_host(&mut self, nanos: u64) {
        self.clock += nanos;
    }

    /// Makes all further frames bear one time on the host.
    pub(crate) fn stop_host_clock(&mut self) {
        self.step = 0;
    }

    /// Asserts that both hold the same, and says what. Takes the events.
    pub(crate) fn agree(&mut self, what: &str) -> State {
        let (kernel, host) = (self.kernel.state(), State::of_host(&self.host));
        let differences = State::differences(&kernel, &host);
        assert!(
            differences.is_empty(),
            "{what}: kernel and host differ in\n{differences}"
        );
        kernel
    }
}

/// What frames begin with at a point.
pub(crate) fn framing(point: Point) -> Framing {
    match point {
        Point::Tunnel | Point::FlannelWg => Framing::Ip,
        Point::Port
        | Point::Bridge
        | Point::Overlay
        | Point::Underlay0
        | Point::Underlay1
        | Point::Underlay2 => Framing::Ethernet,
    }
}
