//! Whatever is wrong from the start is said in one line with its documented exit code; what comes
//! later is a number in the ledger.

use std::fs;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::time::{Duration, Instant};

use xtask::lab::{Scenario, netns};
use xtask::skip;
use xtask::traffic::{PingPong, Stop, Until};

use super::agent::PATIENCE;
use super::bench::{agents_on, lab, options, turn};
use super::program::observer;

/// An identity that owns nothing.
const NOBODY: u32 = 65_534;

#[test]
fn wrong_arguments_and_settings_end_in_one_line_and_code_2() {
    let test = "bad_input::wrong_arguments_and_settings_end_in_one_line_and_code_2";
    let Some(_turn) = turn(test) else { return };
    let room = Room::new("args");
    let file = |name, text| room.file(name, text);
    let key = file("key.toml", "interval = \"1s\"\nintervall = \"5s\"\n");
    let duration = file("duration.toml", "interval = 5\n");
    let ring = file("ring.toml", "ring_bytes = 2048\n");
    let text = file("text.toml", "interval = \"1s\n");
    let missing = room.folder.join("missing.toml");
    let missing = missing.to_str().expect("UTF-8");
    let folder = room.folder.to_str().expect("UTF-8");
    let cases: [(&[&str], &[&str]); 12] = [
        (&["--nonsense"], &["--nonsense"]),
        (&["--format", "xml"], &["xml"]),
        (&["--interval", "5"], &["--interval", "`5`", "unit"]),
        (&["--for", "1"], &["--for", "`1`", "unit"]),
        (
            &["--sample-one-in", "3"],
            &["sample_one_in", "power of two"],
        ),
        (&["--cluster-cidr", "10.42.0.0/33"], &["10.42.0.0/33"]),
        (&["--config", &key], &[&key, "intervall", "line 2"]),
        (&["--config", &duration], &[&duration, "unit"]),
        (&["--config", &ring], &["ring_bytes", "2048", "a page"]),
        (&["--config", &text], &[&text, "line 1"]),
        (&["--config", missing], &[missing, "No such file"]),
        (&["--config", folder], &[folder, "directory"]),
    ];
    for (arguments, words) in cases {
        let ended = run(&room, &[&["run"], arguments].concat());
        ended.assert_refused(2, words);
    }
    run(&room, &["walk"]).assert_refused(2, &["walk"]);
    let help = run(&room, &["--help"]);
    assert_eq!(help.code, Some(0));
    assert!(help.text.contains("Exit codes"), "{help:?}");
}

#[test]
fn missing_rights_end_in_one_line_and_code_3() {
    let test = "bad_input::missing_rights_end_in_one_line_and_code_3";
    let Some(_turn) = turn(test) else { return };
    let room = Room::new("rights");
    let mut command = Command::new(room.readable_program());
    command.args(["run", "--format", "json", "--for", "1s"]);
    command.uid(NOBODY).gid(NOBODY);
    run_command(&room, command).assert_refused(3, &["CAP_BPF", "root"]);
    let secret = room.folder.join("secret.toml");
    fs::write(&secret, "interval = \"1s\"\n").expect("settings");
    fs::set_permissions(&secret, permissions(0o600)).expect("mode");
    let secret = secret.to_str().expect("UTF-8");
    let mut command = Command::new(room.readable_program());
    command.args(["run", "--config", secret]);
    command.uid(NOBODY).gid(NOBODY);
    run_command(&room, command).assert_refused(2, &[secret, "ermission denied"]);
}

#[test]
fn maps_without_memory_end_in_one_line_and_code_3() {
    let test = "bad_input::maps_without_memory_end_in_one_line_and_code_3";
    let Some(_turn) = turn(test) else { return };
    let Some(limit) = MemoryLimit::new("48M") else {
        skip::skip(test, "no memory cgroup (v1)");
        return;
    };
    let room = Room::new("memory");
    for (name, text, map, setting) in [
        (
            "flows.toml",
            "flow_entries = 1048576\n",
            "BIFLOWS",
            "flow_entries",
        ),
        (
            "ring.toml",
            "ring_bytes = 268435456\n",
            "EVENTS",
            "ring_bytes",
        ),
    ] {
        let config = room.file(name, text);
        let mut command = limit.command();
        command.args([
            "run", "--format", "json", "--for", "1s", "--config", &config,
        ]);
        let words = [map, setting, "annot allocate memory", "cgroup"];
        run_command(&room, command).assert_refused(3, &words);
    }
    let mut command = limit.command();
    command.args(["run", "--format", "json", "--for", "1s"]);
    let ended = run_command(&room, command);
    assert_eq!(ended.code, Some(0), "the defaults fit: {ended:?}");
}

#[test]
fn missing_btf_costs_the_watch_of_drops_alone_and_missing_sysfs_is_said() {
    let test = "bad_input::missing_btf_costs_the_watch_of_drops_alone_and_missing_sysfs_is_said";
    let Some(_turn) = turn(test) else { return };
    let room = Room::new("sysfs");
    room.ip(&["link add cni0 type bridge", "link set cni0 up"]);
    // A mount namespace whose /sys has nothing at that place.
    let without = |place: &str| {
        let mut command = Command::new("unshare");
        let hide = format!("mount -t tmpfs none {place} && exec \"$0\" \"$@\"");
        command.args(["--mount", "sh", "-c", &hide]).arg(observer());
        command.args(["run", "--format", "json", "--for", "2s"]);
        run_command(&room, command)
    };
    let ended = without("/sys/kernel/btf");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(
        ended.errors.contains("observing devices=\"cni0\""),
        "{ended:?}"
    );
    let mut blind = ended
        .errors
        .lines()
        .filter(|line| line.contains("blind spot"));
    let is_drops = |line: &str| line.contains("drops_no_types");
    assert!(blind.next().is_some_and(is_drops), "{ended:?}");
    assert_eq!(blind.next(), None, "{ended:?}");
    without("/sys/devices/system/cpu").assert_refused(3, &["possible CPUs", "sysfs"]);
}

#[test]
fn absent_collector_costs_counted_spans_only() {
    let Some(_turn) = turn("bad_input::absent_collector_costs_counted_spans_only") else {
        return;
    };
    let lab = lab(options(Scenario::H2, "otlp"));
    // Nobody listens there, in no namespace of a lab.
    let arguments = ["--otlp", "http://127.0.0.1:9", "--sample-one-in", "1"];
    let mut agents = agents_on(lab.nodes().iter().take(1), &arguments);
    let [from, to] = [0, 1].map(|place| &lab.nodes()[place].pods[0]);
    let load = PingPong::new(from.into(), to.into(), Until::Count(100));
    PingPong {
        think: Duration::from_millis(5),
        ..load
    }
    .drive(&Stop::default())
    .expect("exchange");
    let mut agent = agents.remove(0);
    agent.await_sweep("dropped spans", |sweep| {
        sweep.ledger.reason("span_dropped", "unreachable") > 0
    });
    assert!(agent.is_alive());
    let ended = agent.end();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.errors);
    assert!(!ended.errors.contains("panicked"), "{}", ended.errors);
    let ledger = &ended.last().ledger;
    let of_spans = |name: &str| ledger.get(name);
    assert_eq!(of_spans("span_received"), 0, "{ledger:?}");
    assert_eq!(
        of_spans("span_made"),
        of_spans("span_dropped"),
        "{ledger:?}"
    );
    let printed = u64::try_from(ended.spans.len()).expect("few");
    assert_eq!(printed, of_spans("span_made"), "{ledger:?}");
}

/// A namespace without devices and a folder for files; both removed when dropped.
#[derive(Debug)]
pub(crate) struct Room {
    pub(crate) netns: String,
    folder: PathBuf,
}

impl Room {
    /// Makes them under names of their own.
    pub(crate) fn new(purpose: &str) -> Self {
        let netns = format!("np-o{}-{purpose}", process::id());
        let folder = std::env::temp_dir().join(&netns);
        fs::create_dir(&folder).expect("folder");
        fs::set_permissions(&folder, permissions(0o755)).expect("mode");
        let room = Self { netns, folder };
        ip(&["netns", "add", &room.netns]);
        room.ip(&["link set lo up"]);
        room
    }

    /// Runs `ip` in the namespace, once per line.
    pub(crate) fn ip(&self, lines: &[&str]) {
        for line in lines {
            let words: Vec<&str> = line.split(' ').collect();
            ip(&[&["-n", &self.netns][..], &words].concat());
        }
    }

    /// Moves a device of the caller's namespace in, under another name.
    pub(crate) fn take(&self, device: &str, name: &str) {
        ip(&["link", "set", device, "netns", &self.netns, "name", name]);
    }

    /// A file of this text in the room's folder; its path.
    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder.join(name);
        fs::write(&path, text).expect("file");
        path.to_str().expect("UTF-8").to_owned()
    }

    /// The program where everybody may read it.
    fn readable_program(&self) -> PathBuf {
        let copy = self.folder.join("observer");
        if !copy.exists() {
            fs::copy(observer(), &copy).expect("copy");
            fs::set_permissions(&copy, permissions(0o755)).expect("mode");
        }
        copy
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        ip(&["netns", "delete", &self.netns]);
        if let Err(cause) = fs::remove_dir_all(&self.folder) {
            eprintln!("remove {}: {cause}", self.folder.display());
        }
    }
}

/// A memory cgroup with a limit; removed when dropped.
#[derive(Debug)]
struct MemoryLimit(PathBuf);

impl MemoryLimit {
    /// None where there is no such controller.
    fn new(limit: &str) -> Option<Self> {
        let root = Path::new("/sys/fs/cgroup/memory");
        let own = Self(root.join(format!("np-o{}", process::id())));
        root.join("memory.limit_in_bytes").exists().then(|| {
            fs::create_dir(&own.0).expect("cgroup");
            fs::write(own.0.join("memory.limit_in_bytes"), limit).expect("limit");
            own
        })
    }

    /// The program under the limit.
    fn command(&self) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", "echo $$ > \"$0\" && exec \"$@\""]);
        command.arg(self.0.join("tasks")).arg(observer());
        command
    }
}

impl Drop for MemoryLimit {
    fn drop(&mut self) {
        if self.0.exists()
            && let Err(cause) = fs::remove_dir(&self.0)
        {
            eprintln!("remove {}: {cause}", self.0.display());
        }
    }
}

/// A run of the program that has ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) text: String,
    pub(crate) errors: String,
}

impl Run {
    /// One line that names the program and everything that helps, nothing on standard output.
    fn assert_refused(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert_eq!(self.text, "", "{self:?}");
        assert_eq!(self.errors.lines().count(), 1, "{self:?}");
        assert!(self.errors.starts_with("observer: "), "{self:?}");
        for word in words {
            assert!(self.errors.contains(word), "`{word}` in {self:?}");
        }
        for noise in ["panicked", "backtrace", "Error {", "Err("] {
            assert!(!self.errors.contains(noise), "{self:?}");
        }
    }
}

/// Runs the program in the room to its end.
pub(crate) fn run(room: &Room, arguments: &[&str]) -> Run {
    let mut command = Command::new(observer());
    command.args(arguments);
    run_command(room, command)
}

fn run_command(room: &Room, mut command: Command) -> Run {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    // Not by `ip netns exec`, which would need root's rights after they are gone.
    let spawned = netns::within(&room.netns, || command.spawn());
    let mut child = spawned.expect("namespace").expect("program starts");
    let deadline = Instant::now() + PATIENCE;
    while child.try_wait().expect("its state").is_none() {
        if Instant::now() > deadline {
            child.kill().expect("kill");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let code = child.wait().expect("its end").code();
    let read = |from: Option<&mut dyn Read>| {
        let mut text = String::new();
        from.expect("a pipe")
            .read_to_string(&mut text)
            .expect("text");
        text
    };
    let text = read(child.stdout.as_mut().map(|pipe| pipe as &mut dyn Read));
    let errors = read(child.stderr.as_mut().map(|pipe| pipe as &mut dyn Read));
    Run { code, text, errors }
}

fn ip(arguments: &[&str]) {
    let status = Command::new("ip").args(arguments).status().expect("ip");
    assert!(
        status.success() || std::thread::panicking(),
        "ip {arguments:?}"
    );
}

fn permissions(mode: u32) -> fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(mode)
}
