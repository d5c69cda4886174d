//! Headers outside a buffer's linear part, as a tunnel's device hands them over: read from a copy,
//! against the same bytes in one piece. `BPF_PROG_TEST_RUN` makes linear buffers only, so both pass a
//! real TUN device, and the kernel's own statistics say what the program took.

use std::fs::{self, File};
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd};
use std::panic::resume_unwind;
use std::thread;

use aya::programs::LinkOrder;
use aya::programs::tc::{TcAttachOptions, TcAttachType};
use aya::sys::{Stats, enable_stats};
use nix::sched::{CloneFlags, unshare};
use observer_ebpf::abi::counter::Loss;
use observer_ebpf::abi::point::{Hook, Point, Site};
use observer_ebpf::fixtures::{TAIL_A, TAIL_B};

use super::cases;
use super::frames;
use super::measure::{EMPTY, Effort, LOOK_UP, Series};
use super::stage::{Failure, PATH, Program, Stage};
use super::tun::{self, VirtioHeader};

/// Name of the device.
const NAME: &str = "tun0";

/// Names of the rows.
pub(super) const DIRECT: &str = "linear";
/// See [`DIRECT`].
pub(super) const COPIED: &str = "copied";

/// The device leaves shorter packets in one piece.
const PAYLOAD: usize = 5_000;
/// Bytes in the linear part: all headers, and the outer IPv4 and UDP headers alone.
const ALL: u8 = 160;
const OUTER: u8 = 28;
const TUNNEL: Program = Program::Ours(Site {
    point: Point::Tunnel,
    hook: Hook::Ingress,
});

/// One program over one form of the packet.
const FORMS: [(&str, Program, u8); 4] = [
    (EMPTY, Program::Yardstick(EMPTY), OUTER),
    (LOOK_UP, Program::Yardstick(LOOK_UP), OUTER),
    (DIRECT, TUNNEL, ALL),
    (COPIED, TUNNEL, OUTER),
];

/// The empty program's gross, then look-up, direct and copied, net of it.
pub(super) fn measure(effort: Effort) -> Result<(Vec<f64>, Vec<Series>), Failure> {
    // A thread of its own: the namespace of the device ends with it.
    let measured = || in_own_network(effort).map_err(|failure| failure.to_string());
    let joined = thread::scope(|scope| scope.spawn(measured).join());
    Ok(joined.unwrap_or_else(|panic| resume_unwind(panic))?)
}

fn in_own_network(effort: Effort) -> Result<(Vec<f64>, Vec<Series>), Failure> {
    let mut stage = Stage::new(cases::PODS, None)?;
    unshare(CloneFlags::CLONE_NEWNET)?;
    let mut device =
        tun::open(NAME, libc::IFF_TUN).map_err(|cause| format!("make a TUN device: {cause}"))?;
    let _statistics = enable_stats(Stats::RunTime)?;
    let packet = packet();
    let mut means = FORMS.map(|_| Vec::new());
    // The first packet makes the entry and announces it.
    block(&mut stage, &mut device, &packet, (TUNNEL, ALL), 1)?;
    for round in 0..effort.rounds {
        for step in 0..FORMS.len() {
            let turn = (round + step) % FORMS.len();
            if let (Some((_, program, linear)), Some(means)) =
                (FORMS.get(turn), means.get_mut(turn))
            {
                let form = (*program, *linear);
                means.push(block(
                    &mut stage,
                    &mut device,
                    &packet,
                    form,
                    effort.writes,
                )?);
            }
        }
    }
    let [gross, rest @ ..] = means;
    let series = FORMS.iter().skip(1).zip(rest).map(|((name, ..), means)| {
        let net = means.iter().zip(&gross).map(|(mean, empty)| mean - empty);
        Series {
            name: (*name).to_owned(),
            net: net.collect(),
        }
    });
    let series = series.collect();
    Ok((gross, series))
}

/// Sends so many packets through a program; its mean nanoseconds for one. Each must have been read
/// in the way that is meant, and counted.
fn block(
    stage: &mut Stage,
    device: &mut File,
    packet: &[u8],
    (program, linear): (Program, u8),
    count: u32,
) -> Result<f64, Failure> {
    let order = TcAttachOptions::TcxOrder(LinkOrder::first());
    let attached =
        stage
            .program(program)?
            .attach_with_options(NAME, TcAttachType::Ingress, order)?;
    let link = stage.program(program)?.take_link(attached)?;
    let counted = |stage: &mut Stage| -> Result<_, Failure> {
        let copied = stage.object.totals()?.of(Loss::HeadersCopied);
        Ok((copied, stage.buffers(PATH, Point::Tunnel)?))
    };
    let (copies, packets) = counted(stage)?;
    let before = Statistics::read(stage, program)?;
    let header: VirtioHeader = [0, 0, linear, 0, 0, 0, 0, 0, 0, 0];
    let written = [&header, packet].concat();
    for _ in 0..count {
        device.write_all(&written)?;
    }
    let after = Statistics::read(stage, program)?;
    drop(link);
    let runs = after.runs - before.runs;
    let now = counted(stage)?;
    let found = (runs, now.0 - copies, now.1 - packets);
    let sent = u64::from(count);
    let is_ours = program == TUNNEL;
    let expected = (
        sent,
        if is_ours && linear == OUTER { sent } else { 0 },
        if is_ours { sent } else { 0 },
    );
    if found != expected {
        return Err(format!(
            "write {count} packets to {NAME}: (runs, copied heads, counted packets) are {found:?}, \
             not {expected:?}; the measurement would be of another road"
        )
        .into());
    }
    let nanos = u32::try_from(after.nanos - before.nanos)?;
    Ok(f64::from(nanos) / f64::from(count))
}

/// What the kernel says of a program.
struct Statistics {
    nanos: u64,
    runs: u64,
}

impl Statistics {
    fn read(stage: &mut Stage, program: Program) -> Result<Self, Failure> {
        let number = stage.program(program)?.fd()?.as_fd().as_raw_fd();
        let path = format!("/proc/self/fdinfo/{number}");
        let text = fs::read_to_string(&path)?;
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|rest| rest.trim().parse().ok())
                .ok_or_else(|| format!("read {path}: no `{name}`"))
        };
        Ok(Self {
            nanos: field("run_time_ns:")?,
            runs: field("run_cnt:")?,
        })
    }
}

/// VXLAN in the tunnel, as a pod's packet comes out of WireGuard.
fn packet() -> Vec<u8> {
    frames::in_tunnel(TAIL_A, TAIL_B, &[frames::long_tcp(PAYLOAD)])
}
