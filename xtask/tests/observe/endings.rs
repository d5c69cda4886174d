//! How an agent ends: whatever it is at it answers a signal, bounds its end, and says with code and
//! line which way it went, also when a part of it dies or hangs.

use std::fs;
use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{NetlinkAddr, getsockname};
use nix::unistd::Pid;
use rustix::process::{PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
use socket2::{SockFilter, SockRef};
use xtask::lab::{Scenario, netns};
use xtask::traffic::{Load, PingPong, Until};

use super::agent::{Agent, PATIENCE};
use super::bad_input::Room;
use super::bench::{agents_on, lab, options, turn, with_load};
use super::kernel::{Holdings, Maps, attached};
use super::program::observer;

const POLL: Duration = Duration::from_millis(10);

#[test]
fn signal_while_attaching_ends_at_once() {
    let Some(_turn) = turn("endings::signal_while_attaching_ends_at_once") else {
        return;
    };
    let lab = lab(options(Scenario::S1, "early-end"));
    let node = &lab.nodes()[0];
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let agent = Agent::start(&node.netns, &node.name, &[]);
        // The maps are there, and not a program is: the verifier is at work.
        await_that("maps", || !Holdings::of(agent.pid()).maps.is_empty());
        let ended = agent.end_by(signal);
        assert_eq!(ended.status.code(), Some(0), "{signal}: {}", ended.errors);
        assert!(ended.errors.contains("ended by a signal"), "{ended:?}");
        assert!(
            !ended.errors.contains("observing"),
            "{signal} waited for the programs: {}",
            ended.errors
        );
        assert_eq!(attached(&node.netns, "flannel.1"), [0, 0]);
    }
}

#[test]
fn killed_under_traffic_it_leaves_nothing_and_the_next_one_counts() {
    let Some(_turn) =
        turn("endings::killed_under_traffic_it_leaves_nothing_and_the_next_one_counts")
    else {
        return;
    };
    let lab = lab(options(Scenario::H2, "kill"));
    let [from, to] = [0, 1].map(|place| &lab.nodes()[place].pods[0]);
    let node = &lab.nodes()[0];
    let load = PingPong::new(from.into(), to.into(), Until::Elapsed(10 * PATIENCE));
    with_load(&[Load::PingPong(load)], || {
        let mut agents = agents_on(lab.nodes().iter().take(1), &[]);
        let agent = agents.remove(0);
        let maps = Maps::of(agent.pid());
        let counts = || maps.read().frames;
        let begun = counts();
        await_that("packets", || counts() > begun + 100);
        drop(maps);
        let held = Holdings::of(agent.pid());
        assert!(held.programs.len() >= 8, "{held:?}");
        assert_eq!(held.programs.len(), held.links.len(), "{held:?}");
        let ended = agent.end_by(Signal::SIGKILL);
        assert_eq!(ended.status.code(), None);
        await_that("the kernel's own clearing", || {
            held.left() == Default::default()
        });
        let next = agents_on(lab.nodes().iter().take(1), &[]).remove(0);
        let maps = Maps::of(next.pid());
        let begun = maps.read().frames;
        await_that("packets again", || maps.read().frames > begun + 100);
        let line = next.await_sweep("the path", |sweep| {
            sweep.path(from.address, to.address).is_some()
        });
        assert_eq!(line.ledger.get("not_attached"), 0, "{line:?}");
    });
    assert_eq!(attached(&node.netns, "flannel.1"), [0, 0]);
}

#[test]
fn dead_and_hanging_parts_end_it_with_code_6() {
    let Some(_turn) = turn("endings::dead_and_hanging_parts_end_it_with_code_6") else {
        return;
    };
    let room = Room::new("parts");
    let quick = room.file("quick.toml", "stall = \"1s\"\n");
    // No sweep falls into the time: the follower of devices alone asks the kernel.
    let arguments = ["--interval", "60s", "--config", &quick];
    for (kind, said) in [
        (Kind::Questions, "the device follower ended unasked"),
        (Kind::Events, "it hangs, 1s without a turn"),
    ] {
        let mut agent = Agent::start(&room.netns, "n1", &arguments);
        await_that("a first look", || !agent.errors().is_empty());
        thread::sleep(Duration::from_secs(2));
        assert!(agent.is_alive(), "idle is not hung: {}", agent.errors());
        for socket in netlink_sockets(agent.pid(), kind) {
            match kind {
                Kind::Questions => lose_answers(&socket),
                Kind::Events => wait_for_ever(&socket),
            }
        }
        room.ip(&["link add fresh0 type veth peer name fresh1"]);
        let ended = agent.await_end();
        room.ip(&["link delete fresh0"]);
        assert_eq!(ended.status.code(), Some(6), "{}", ended.errors);
        let line = ended.errors.lines().last().unwrap_or_default();
        assert!(line.starts_with("observer: "), "{}", ended.errors);
        assert!(line.contains(said), "{}", ended.errors);
    }
}

#[test]
fn unread_output_holds_nothing_up_and_ends_within_the_grace() {
    let Some(_turn) = turn("endings::unread_output_holds_nothing_up_and_ends_within_the_grace")
    else {
        return;
    };
    let room = Room::new("unread");
    let quick = room.file("quick.toml", "stall = \"1s\"\ngrace = \"2s\"\n");
    let waits = [(1, "within the grace of 2s", 2), (2, "a second signal", 0)];
    for (signals, said, least) in waits {
        let mut child = unread(&room, &quick);
        let pid = Pid::from_raw(child.id().try_into().expect("a pid"));
        // Longer than a stall, with a full pipe: only the printer waits.
        thread::sleep(Duration::from_secs(3));
        assert!(child.try_wait().expect("its state").is_none());
        let begun = Instant::now();
        for _ in 0..signals {
            kill(pid, Signal::SIGTERM).expect("signal");
            thread::sleep(Duration::from_millis(300));
        }
        await_that("its end", || child.try_wait().expect("its state").is_some());
        let took = begun.elapsed();
        assert!(took >= Duration::from_secs(least), "{took:?}");
        assert!(took < Duration::from_secs(least + 5), "{took:?}");
        let mut errors = String::new();
        let mut from = child.stderr.take().expect("a pipe");
        from.read_to_string(&mut errors).expect("text");
        let status = child.wait().expect("its end");
        assert_eq!(status.code(), Some(4), "{errors}");
        assert!(
            errors
                .lines()
                .last()
                .is_some_and(|line| line.contains(said)),
            "{errors}"
        );
    }
}

/// An agent whose standard output is a pipe of one page that nobody reads.
fn unread(room: &Room, config: &str) -> Child {
    let mut command = Command::new(observer());
    command.args(["run", "--format", "json", "--interval", "100ms"]);
    command.args(["--config", config]);
    command.stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let spawned = netns::within(&room.netns, || command.spawn());
    let child = spawned.expect("namespace").expect("program starts");
    let pipe = child.stdout.as_ref().expect("a pipe");
    rustix::pipe::fcntl_setpipe_size(pipe, 4096).expect("pipe");
    child
}

/// What a netlink socket is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Subscribed to changes of devices.
    Events,
    /// Asked and answered.
    Questions,
}

/// Netlink sockets of a process, shared with it.
fn netlink_sockets(pid: u32, kind: Kind) -> Vec<OwnedFd> {
    let id = rustix::process::Pid::from_raw(pid.try_into().expect("a pid")).expect("a pid");
    let process = pidfd_open(id, PidfdFlags::empty()).expect("a living process");
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).expect("a living process");
    let share = |entry: fs::DirEntry| {
        let number = entry.file_name().to_str()?.parse().ok()?;
        pidfd_getfd(&process, number, PidfdGetfdFlags::empty()).ok()
    };
    let of_kind = |descriptor: &OwnedFd| {
        let address = getsockname::<NetlinkAddr>(descriptor.as_raw_fd());
        let is_subscribed = address.map(|address| address.groups() != 0);
        is_subscribed == Ok(kind == Kind::Events)
    };
    let shared = entries.filter_map(|entry| share(entry.ok()?));
    let found: Vec<_> = shared.filter(of_kind).collect();
    assert!(!found.is_empty(), "no socket for {kind:?}");
    found
}

/// Nothing comes in any more.
fn lose_answers(socket: &OwnedFd) {
    // Return 0: keep no byte (kernel: Documentation/networking/filter.rst).
    let keep_nothing = [SockFilter::new(0x06, 0, 0, 0)];
    let socket = SockRef::from(socket);
    socket.attach_filter(&keep_nothing).expect("filter");
}

/// Whoever reads when there is nothing waits for ever.
fn wait_for_ever(socket: &OwnedFd) {
    SockRef::from(socket).set_nonblocking(false).expect("flag");
}

fn await_that(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "no sign of {what}");
        thread::sleep(POLL);
    }
}
