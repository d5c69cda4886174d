//! Puts the programs, a yardstick or another tool's on both hooks of a device and takes them off again,
//! as the lines on standard input say; answers each with what hangs on the devices and what was counted.
//! The live rows of `cargo xtask bench` drive it inside a node of the lab.

#[expect(dead_code, reason = "what names rows, which are made elsewhere")]
#[path = "against/peer.rs"]
mod peer;
#[expect(dead_code, reason = "a stage of test runs, of which this needs a part")]
#[path = "hot_loop/stage.rs"]
mod stage;

use std::io::BufRead;
use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use aya::programs::tc::{SchedClassifierLink, TcAttachOptions, TcAttachType};
use aya::programs::{LinkOrder, SchedClassifier};
use clap::Parser;
use observer::kernel::Attachment;
use observer_ebpf::abi::point::{Hook, Point};
use serde::Serialize;

use peer::spec::{FORM, Spec};
use stage::{Failure, PATH, Program, Stage};

/// Attaches to devices of this namespace on command.
///
/// Commands on standard input: `off`, `empty DEVICE`, `look_up DEVICE`, `underlay DEVICE`,
/// `bridge DEVICE`, `peer-NUMBER DEVICE`, `list`.
#[derive(Debug, Parser)]
struct Arguments {
    /// The pods whose flows get a path
    #[arg(long, num_args = 2, required = true)]
    pods: Vec<Ipv4Addr>,
    /// The devices that answers tell of
    #[arg(long, num_args = 1.., required = true)]
    devices: Vec<String>,
    /// Other tools' programs, numbered from 0
    #[arg(long, value_name = FORM)]
    against: Vec<Spec>,
    /// What `cargo bench` adds
    #[arg(long, hide = true)]
    bench: bool,
}

/// Answer to a command.
#[derive(Debug, Serialize)]
struct Answer {
    /// `DEVICE in|out PROGRAM` for each program on a hook, in the order of the devices.
    hooks: Vec<String>,
    /// Buffers counted on the pods' path at the underlay.
    underlay: u64,
    /// Buffers counted on the pods' path at the bridge.
    bridge: u64,
}

/// What hangs on a device: dropping it takes it off.
enum Hung {
    Nothing,
    Ours { _links: [Attachment; 2] },
    Others { _links: [SchedClassifierLink; 2] },
}

/// How often the event ring is emptied: as the agent does.
const POLL: Duration = Duration::from_millis(50);
const RECORDS: usize = 4_096;

fn main() -> ExitCode {
    match serve(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn serve(arguments: &Arguments) -> Result<(), Failure> {
    let &[first, second] = arguments.pods.as_slice() else {
        return Err("take --pods: two addresses".into());
    };
    let mut stage = Stage::new([first, second], None)?.beside(&arguments.against)?;
    let mut hung = Hung::Nothing;
    let (sender, lines) = mpsc::channel();
    // Ends with its input, and the process with it: links go with their owner.
    thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    loop {
        match lines.recv_timeout(POLL) {
            Ok(line) => {
                obey(&mut stage, &mut hung, &line)?;
                say(&answer(&mut stage, &arguments.devices)?)?;
            }
            Err(RecvTimeoutError::Timeout) => {
                stage.object.events.drain(RECORDS, |_| {});
            }
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
    }
}

fn obey(stage: &mut Stage, hung: &mut Hung, line: &str) -> Result<(), Failure> {
    let (verb, device) = line.split_once(' ').unwrap_or((line, ""));
    if verb == "list" {
        return Ok(());
    }
    *hung = Hung::Nothing;
    *hung = match verb {
        "off" => Hung::Nothing,
        "empty" => others(stage, device, |_| Program::Yardstick("empty"))?,
        "look_up" => others(stage, device, |_| Program::Yardstick("look_up"))?,
        "underlay" => ours(stage, device, Point::Underlay0)?,
        "bridge" => ours(stage, device, Point::Bridge)?,
        other => match other.strip_prefix("peer-").map(str::parse) {
            Some(Ok(place)) => others(stage, device, |hook| Program::Peer(place, hook))?,
            _ => return Err(format!("obey `{other}`: no such command").into()),
        },
    };
    Ok(())
}

fn ours(stage: &mut Stage, device: &str, point: Point) -> Result<Hung, Failure> {
    let object = &mut stage.object;
    let ingress = Attachment::new(object, device, point, Hook::Ingress)?;
    let egress = Attachment::new(object, device, point, Hook::Egress)?;
    Ok(Hung::Ours {
        _links: [ingress, egress],
    })
}

fn others(
    stage: &mut Stage,
    device: &str,
    program: impl Fn(Hook) -> Program,
) -> Result<Hung, Failure> {
    let mut hang = |hook, kind| -> Result<_, Failure> {
        let order = TcAttachOptions::TcxOrder(LinkOrder::first());
        let program = stage.program(program(hook))?;
        let id = program.attach_with_options(device, kind, order)?;
        Ok(program.take_link(id)?)
    };
    Ok(Hung::Others {
        _links: [
            hang(Hook::Ingress, TcAttachType::Ingress)?,
            hang(Hook::Egress, TcAttachType::Egress)?,
        ],
    })
}

fn answer(stage: &mut Stage, devices: &[String]) -> Result<Answer, Failure> {
    let mut hooks = Vec::new();
    for device in devices {
        for (kind, name) in [(TcAttachType::Ingress, "in"), (TcAttachType::Egress, "out")] {
            let (_, programs) = SchedClassifier::query_tcx(device, kind)?;
            for program in programs {
                let program = program.name_as_str().unwrap_or("?").to_owned();
                hooks.push(format!("{device} {name} {program}"));
            }
        }
    }
    Ok(Answer {
        hooks,
        underlay: stage.buffers(PATH, Point::Underlay0)?,
        bridge: stage.buffers(PATH, Point::Bridge)?,
    })
}

#[expect(clippy::print_stdout, reason = "answers go to whoever commands")]
fn say(answer: &Answer) -> Result<(), Failure> {
    println!("{}", serde_json::to_string(answer)?);
    Ok(())
}
