//! The recorder on devices of a network namespace of its own: what a bundle holds of frames with tags,
//! marks and segment sizes, and of the node's tables. Needs root.

#[path = "netlink/world.rs"]
mod world;

#[path = "kernel_differential/tun.rs"]
mod tun;
#[path = "kernel_differential/virtio.rs"]
mod virtio;

use std::fs;
use std::io::Write;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use observer::record::capture::{Beside, Head, Heading, LinkType};
use observer::record::live::{RecordError, Recorded, Recording, record};
use observer::record::{Bundle, Lost, Merge, Stop};
use observer_ebpf::fixtures::layers::{self, TCP, Tcp, UDP, udp};
use observer_ebpf::fixtures::{POD_A, POD_B, TAIL_A, TAIL_B};
use world::{in_new_namespace, ip, run};

/// How long a test records, and how often it sends meanwhile.
const TIME: Duration = Duration::from_millis(1_500);
const SENDINGS: u32 = 20;
/// Longer than a disk of a test takes to be full.
const LONG: Duration = Duration::from_secs(20);
/// A device that gets frames with tags.
const SWITCH: &str = "tap0";
/// A device that gets aggregates, and is the tunnel of a replay.
const TUNNEL: &str = "tailscale0";
const MARK: u32 = 0x8_0000;
/// Payload of the datagrams, found again in the frames.
const PAYLOAD: &[u8] = b"to be found again";

#[test]
fn a_bundle_holds_tags_marks_and_segment_sizes() {
    let test = "a_bundle_holds_tags_marks_and_segment_sizes";
    in_new_namespace(test, tags_marks_and_segment_sizes);
}

fn tags_marks_and_segment_sizes() {
    ip("link add one type veth peer name two");
    ip("address add 10.7.0.1/24 dev one");
    for device in ["one", "two"] {
        ip(&format!("link set {device} up"));
    }
    ip("neighbour add 10.7.0.2 lladdr 02:00:00:00:00:02 dev one nud permanent");
    ip("route add 10.9.0.0/16 via 10.7.0.2 table 52");
    let mut device = tun::open(TUNNEL, libc::IFF_TUN).expect("a TUN device");
    let mut switch = tun::open(SWITCH, libc::IFF_TAP).expect("a TAP device");
    let folder = Folder::new("whole");
    let recording = folder.recording();
    let recorder = thread::spawn(move || record(&recording));
    let socket = UdpSocket::bind("10.7.0.1:0").expect("a socket");
    mark(&socket);
    let payload = vec![0x61; 3_000];
    let large = layers::Ipv4::new(POD_A, POD_B, TCP).around(&Tcp::default().around(&payload));
    let many = udp(51_000, 8_472, &vec![0x62; 4 * 1_252]);
    let many = layers::Ipv4::new(TAIL_A, TAIL_B, UDP).around(&many);
    let inner = layers::Ipv4::new(POD_A, POD_B, UDP).around(&udp(7, 9, PAYLOAD));
    let tagged = layers::ethernet(layers::VLAN, &layers::tag(layers::IPV4, &inner));
    for _ in 0..SENDINGS {
        let frame = [&virtio::header(0, 0, 0), tagged.as_slice()].concat();
        switch.write_all(&frame).expect("written to the switch");
        socket.send_to(PAYLOAD, "10.7.0.2:9").expect("sent");
        for (kind, size, checksum, packet) in [
            (virtio::GSO_TCP, 1_000, 16, &large),
            (virtio::GSO_UDP, 1_252, 6, &many),
        ] {
            let header = virtio::header(kind, size, checksum);
            let frame = [&header, packet.as_slice()].concat();
            device.write_all(&frame).expect("written to the device");
        }
        thread::sleep(TIME / SENDINGS);
    }
    recorder.join().expect("a recorder").expect("recorded");
    let bundle = Bundle::open(&folder.0).expect("a bundle");
    let frames = frames(&bundle);
    let ours = |device: &str, heading| {
        let found = frames.iter().find(|frame| {
            let has = frame
                .bytes
                .windows(PAYLOAD.len())
                .any(|part| part == PAYLOAD);
            frame.device == device && frame.head.heading == Some(heading) && has
        });
        found.unwrap_or_else(|| panic!("a datagram at {device}, {heading:?}"))
    };
    for (device, heading) in [("one", Heading::Out), ("two", Heading::In)] {
        let plain = ours(device, heading);
        assert_eq!(plain.link, LinkType::Ethernet);
        assert_eq!(plain.bytes[12..14], [0x08, 0x00], "{device}");
    }
    assert_eq!(ours("one", Heading::Out).head.beside.mark, MARK);
    // The kernel takes the tag out of the frame before anybody sees it.
    let found = ours(SWITCH, Heading::In);
    assert_eq!(
        (&found.bytes, found.head.length as usize),
        (&tagged, tagged.len())
    );
    let tunnel = |packet: &[u8]| {
        let found = frames
            .iter()
            .find(|frame| frame.device == TUNNEL && frame.bytes.get(..28) == packet.get(..28));
        found.expect("a packet at the tunnel")
    };
    let (head, whole) = (tunnel(&large), tunnel(&many));
    assert_eq!(
        (head.link, head.head.heading),
        (LinkType::Raw, Some(Heading::In))
    );
    assert_eq!(
        (head.bytes.len(), head.head.length as usize),
        (256, large.len())
    );
    let of = |gso_size| Beside { gso_size, mark: 0 };
    assert_eq!(head.head.beside, of(1_000));
    // Each datagram of a batch has a head of its own.
    assert_eq!(
        (whole.bytes.len(), whole.head.beside),
        (many.len(), of(1_252))
    );
    tables(&folder, &bundle);
    let is_large = |frame: &&Frame| frame.device == TUNNEL && frame.head.beside == of(1_000);
    let large = frames.iter().filter(is_large).count() as u64;
    let replayed = replayed(&folder);
    let mut paths = replayed["paths"].as_array().expect("paths").iter();
    let of_pods = paths.find(|path| path["source"]["address"].is_string());
    let counted = &of_pods.expect("the pods' path")["points"]["tunnel"]["packets"];
    // A replay counts segments, as a live observer does.
    assert_eq!(counted.as_u64(), Some(3 * large), "{replayed}");
}

fn replayed(folder: &Folder) -> serde_json::Value {
    let document = observer::replay::replay(std::slice::from_ref(&folder.0), &Stop::default());
    serde_json::from_str(&document.expect("a document")).expect("JSON")
}

/// What stands beside the packets.
fn tables(folder: &Folder, bundle: &Bundle) {
    assert_eq!((bundle.node.as_str(), bundle.lost), ("n1", Lost::default()));
    let names: Vec<_> = bundle
        .links
        .iter()
        .map(|link| link.device.name.as_str())
        .collect();
    for name in ["one", "two", SWITCH, TUNNEL] {
        assert!(names.contains(&name), "{names:?}");
    }
    let route = &bundle.routes.tables[&52][0];
    assert_eq!(route.destination, "10.9.0.0/16".parse().expect("a prefix"));
    let rules = bundle.routes.rules[0].as_ref().expect("rules");
    assert_eq!(rules.first().map(|rule| rule.priority), Some(0));
    for name in [
        "ip-neighbour.json",
        "bridge-fdb.json",
        "snmp.before.txt",
        "snmp.after.txt",
    ] {
        assert!(folder.0.join(name).is_file(), "{name}");
    }
    let about = fs::read_to_string(folder.0.join("bundle.json")).expect("bundle.json");
    let about: serde_json::Value = serde_json::from_str(&about).expect("JSON");
    assert!(about["start"].as_str() < about["end"].as_str(), "{about}");
    let mode = fs::metadata(&folder.0)
        .expect("the folder")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o700, "packets are nobody else's");
    let again = record(&folder.recording());
    assert!(matches!(again, Err(RecordError::NotEmpty(_))), "{again:?}");
}

#[test]
fn a_capture_of_full_size_counts_what_is_not_in_it() {
    let test = "a_capture_of_full_size_counts_what_is_not_in_it";
    in_new_namespace(test, full_size);
}

fn full_size() {
    let mut device = tun::open(TUNNEL, libc::IFF_TUN).expect("a TUN device");
    let folder = Folder::new("full");
    let recording = Recording {
        most: 2_000,
        ..folder.recording()
    };
    let recorder = thread::spawn(move || record(&recording));
    let packet = layers::Ipv4::new(POD_A, POD_B, TCP).around(&Tcp::default().around(&[]));
    for _ in 0..SENDINGS {
        for _ in 0..10 {
            device
                .write_all(&[&[0; 10], packet.as_slice()].concat())
                .expect("written");
        }
        thread::sleep(TIME / SENDINGS);
    }
    let recorded: Recorded = recorder.join().expect("a recorder").expect("recorded");
    let bundle = Bundle::open(&folder.0).expect("a bundle");
    let (kept, lost) = (frames(&bundle).len() as u64, bundle.lost.beyond_size);
    assert!(kept > 0 && lost > kept, "{}", recorded.in_words());
    let document = replayed(&folder);
    let said = &document["ledger"]["not_captured"]["beyond_size"];
    assert_eq!(said.as_u64(), Some(lost));
}

#[test]
fn a_full_disk_ends_the_recording_with_its_file() {
    let test = "a_full_disk_ends_the_recording_with_its_file";
    in_new_namespace(test, full_disk);
}

fn full_disk() {
    let folder = Folder::new("disk");
    fs::create_dir(&folder.0).expect("a folder");
    let disk = Disk::mount(&folder.0);
    let mut device = tun::open(TUNNEL, libc::IFF_TUN).expect("a TUN device");
    let recording = Recording {
        folder: folder.0.join("n1"),
        duration: Some(LONG),
        ..folder.recording()
    };
    let recorder = thread::spawn(move || record(&recording));
    let many = udp(51_000, 8_472, &vec![0x62; 40 * 1_252]);
    let many = layers::Ipv4::new(TAIL_A, TAIL_B, UDP).around(&many);
    let header = virtio::header(virtio::GSO_UDP, 1_252, 6);
    let frame = [&header, many.as_slice()].concat();
    let start = Instant::now();
    while !recorder.is_finished() && start.elapsed() < LONG {
        device.write_all(&frame).expect("written to the device");
        thread::sleep(Duration::from_millis(5));
    }
    assert!(start.elapsed() < LONG, "the end of the time ended it");
    let error = recorder.join().expect("a recorder").expect_err("no room");
    let said = error.to_string();
    assert_eq!(error.exit_code(), 1);
    for part in ["n1/packets/all.pcapng", "No space left", "--size"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!folder.0.join("n1/bundle.json").exists(), "it is no bundle");
    drop(disk);
}

/// A file system with room for 2 MiB, gone in the end.
struct Disk(String);

impl Disk {
    fn mount(folder: &Path) -> Self {
        let folder = folder.to_str().expect("a name").to_owned();
        let mounted = run("mount", &format!("-t tmpfs -o size=2m tmpfs {folder}"));
        assert!(mounted.status.success(), "{mounted:?}");
        Self(folder)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let gone = run("umount", &self.0);
        assert!(gone.status.success() || thread::panicking(), "{gone:?}");
    }
}

/// A frame of a bundle.
struct Frame {
    device: String,
    link: LinkType,
    head: Head,
    bytes: Vec<u8>,
}

fn frames(bundle: &Bundle) -> Vec<Frame> {
    let mut merge = Merge::open(&bundle.packets).expect("captures");
    let mut frames = Vec::new();
    while let Some(frame) = merge.take().expect("a frame") {
        frames.push(Frame {
            device: frame.interface.name.clone().expect("a name"),
            link: frame.interface.link,
            head: frame.head.clone(),
            bytes: frame.bytes.to_vec(),
        });
    }
    frames
}

/// Marks a socket's packets as tailscaled marks its own.
fn mark(socket: &UdpSocket) {
    // SAFETY: the value has the length stated and lives until the call returns.
    let set = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MARK,
            std::ptr::from_ref(&MARK).cast(),
            4,
        )
    };
    assert_eq!(set, 0, "{}", std::io::Error::last_os_error());
}

/// A folder that is gone in the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("netpath-record-{}-{name}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    fn recording(&self) -> Recording {
        Recording {
            folder: self.0.clone(),
            node: "n1".to_owned(),
            cluster_cidr: Vec::new(),
            duration: Some(TIME),
            most: u64::MAX,
            tailscale_socket: None,
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).expect("the folder");
    }
}
