//! What a replay of a million packets costs: processor time and memory of the command itself.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::process::Command;
use std::time::Duration;

use nix::sys::resource::{Usage, UsageWho, getrusage};
use observer_ebpf::fixtures::layers::{self, IPV4, TCP, Tcp, UDP, ethernet};
use serde_json::Value;

use super::bundle::{Folder, Link};

const FRAMES: u32 = 1_000_000;
/// Bars: seconds of one processor, of which a debug build gets half as many again, and KiB.
const SECONDS: f64 = if cfg!(debug_assertions) { 15.0 } else { 10.0 };
const PEAK: i64 = 200 << 10;
/// Captured of each frame, bytes.
const SNAP: usize = 128;
/// Replays until one meets the bar.
const TRIES: u32 = 3;
const PODS: u32 = 20;
const FLOWS: u32 = 1_000;
const FILES: [&str; 6] = [
    "cni0.in.pcap",
    "flannel.1.out.pcap",
    "eth0.out.pcap",
    "eth0.in.pcap",
    "flannel.1.in.pcap",
    "cni0.out.pcap",
];

/// Questions and answers of a thousand connections between four hundred pairs, each seen at three devices.
fn capture() -> Folder {
    let folder = Folder::new("n1", &Link::of_a_node(1));
    let open = |name: &str| {
        folder.pcap(name, 1, &[]);
        let path = folder.path().join("packets").join(name);
        BufWriter::new(File::options().append(true).open(path).expect("a capture"))
    };
    let mut files = FILES.map(open);
    for number in 0..FRAMES.div_ceil(3) {
        let is_forth = number % 2 == 0;
        let frame = frame(number / 2, is_forth);
        let datagram = layers::udp(51_000, 8_472, &layers::vxlan(0x08, &frame));
        let [here, there] = [[192, 168, 7, 11], [192, 168, 7, 12]];
        let (source, destination) = if is_forth {
            (here, there)
        } else {
            (there, here)
        };
        let outer = layers::Ipv4::new(source, destination, UDP).around(&datagram);
        let outer = ethernet(IPV4, &outer);
        let way = if is_forth {
            [&frame, &frame, &outer]
        } else {
            [&outer, &frame, &frame]
        };
        let first = if is_forth { 0 } else { 3 };
        for (later, bytes) in way.into_iter().enumerate() {
            let shown = number * 3 + u32::try_from(later).expect("a small number");
            if shown < FRAMES {
                record(&mut files[first + later], shown, bytes);
            }
        }
    }
    for file in &mut files {
        file.flush().expect("a whole capture");
    }
    folder
}

/// An exchange's question or answer, by number.
fn frame(number: u32, is_forth: bool) -> Vec<u8> {
    let (flow, turn) = (number % FLOWS, number / FLOWS);
    let octet = |value: u32| u8::try_from(2 + value % PODS).expect("a small number");
    let pods = [[10, 42, 1, octet(flow)], [10, 42, 2, octet(flow / PODS)]];
    let port = u16::try_from(40_000 + flow).expect("a port");
    let (asked, answered) = (1_000 + turn, 500_000 + turn);
    let (ends, ports, stamps) = if is_forth {
        (pods, (port, 5_201), (asked, answered - 1))
    } else {
        ([pods[1], pods[0]], (5_201, port), (answered, asked))
    };
    let options = layers::stamped(stamps.0, stamps.1);
    let tcp = Tcp {
        source: ports.0,
        destination: ports.1,
        sequence: 1 + 100 * turn,
        ack: 1 + 100 * turn,
        options: &options,
        ..Tcp::default()
    };
    let packet = layers::Ipv4::new(ends[0], ends[1], TCP).around(&tcp.around(&[7; 100]));
    ethernet(IPV4, &packet)
}

/// One frame each twenty microseconds.
fn record(file: &mut BufWriter<File>, shown: u32, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).expect("a frame's length");
    let kept = &bytes[..bytes.len().min(SNAP)];
    let captured = u32::try_from(kept.len()).expect("a frame's length");
    let micros = shown * 20;
    let seconds = 1_700_000_000 + micros / 1_000_000;
    let head = [seconds, micros % 1_000_000, captured, length];
    file.write_all(&head.map(u32::to_le_bytes).concat())
        .and_then(|()| file.write_all(kept))
        .expect("a frame");
}

/// What a replay says, and the seconds of a processor that it took.
fn replayed(folder: &Folder) -> (Value, f64) {
    let before = busy();
    let output = Command::new(env!("CARGO_BIN_EXE_observer"))
        .arg("replay")
        .arg(folder.path())
        .output()
        .expect("the command");
    assert!(output.status.success(), "{output:?}");
    let found = serde_json::from_slice(&output.stdout).expect("a document");
    (found, busy() - before)
}

/// Seconds of a processor that other programs took; no other test of this program starts one.
fn busy() -> f64 {
    let usage = usage();
    let times = [usage.user_time(), usage.system_time()];
    let spans = times.map(|time| Duration::from_micros(micros(time.tv_sec(), time.tv_usec())));
    spans.iter().map(Duration::as_secs_f64).sum()
}

fn usage() -> Usage {
    getrusage(UsageWho::RUSAGE_CHILDREN).expect("the usage")
}

fn micros(seconds: i64, micros: i64) -> u64 {
    u64::try_from(seconds * 1_000_000 + micros).expect("a time")
}

/// What else the machine does only adds to it: the least of some replays counts.
#[test]
fn a_million_packets_take_no_more_than_the_bars() {
    let folder = capture();
    let mut least = f64::INFINITY;
    for _ in 0..TRIES {
        let (found, seconds) = replayed(&folder);
        assert_eq!(found["ledger"]["frames"], FRAMES);
        let paths = found["paths"].as_array().expect("paths");
        let packets = paths.iter().filter_map(|path| path["packets"].as_u64());
        // The last frame is of a packet that has not come to the pod yet.
        assert_eq!(packets.sum::<u64>(), u64::from(FRAMES / 3));
        least = least.min(seconds);
        if least < SECONDS {
            break;
        }
    }
    let peak = usage().max_rss();
    eprintln!(
        "a million packets: {least:.1} s of a processor, {} MiB",
        peak >> 10
    );
    assert!(least < SECONDS, "{least} s");
    assert!(peak < PEAK, "{peak} KiB");
}
