//! What the verifier has to walk through per program. The bound leaves older kernels room: they prune
//! less. Needs root.

#[path = "../../xtask/src/skip.rs"]
#[expect(unreachable_pub, reason = "a library of xtask, a module here")]
mod skip;

use aya::programs::{ProgramError, ProgramInfo};
use observer::kernel::{LoadError, Object, Sizes, program_name, xdp_name};
use observer_ebpf::abi::point::{Hook, Point};

/// Verified instructions per program at most.
const BOUND: u32 = 200_000;
/// Lines of the verifier's log that are shown.
const VERDICT: usize = 12;

#[tokio::test]
async fn no_program_takes_the_verifier_more_than_200_000_instructions() {
    if !rustix::process::geteuid().is_root() {
        skip::skip(
            "no_program_takes_the_verifier_more_than_200_000_instructions",
            "loading programs needs root",
        );
        return;
    }
    let mut broken = Vec::new();
    for wired in [false, true] {
        println!("counting on the wire: {wired}");
        for (name, loaded) in verified(wired) {
            match &loaded {
                Ok(verified) => println!("{name}: {verified:?} verified instructions"),
                Err(error) => println!("{name}: refused: {}", verdict(error)),
            }
            if !matches!(loaded, Ok(Some(count)) if count <= BOUND) {
                broken.push(name);
            }
        }
    }
    assert!(
        broken.is_empty(),
        "refused or above {BOUND}, see above: {broken:?}"
    );
}

/// Verified instructions of every program, or why the kernel refuses it.
fn verified(wired: bool) -> Vec<(&'static str, Result<Option<u32>, String>)> {
    let sizes = Sizes {
        biflows: 1_024,
        ring: 4_096,
        wired,
    };
    let mut object = Object::load(sizes).expect("load the maps");
    let count = |info: Result<ProgramInfo, ProgramError>| {
        info.expect("its information").verified_instruction_count()
    };
    let mut all = Vec::new();
    for (point, hook) in Point::ALL
        .into_iter()
        .flat_map(|point| Hook::ALL.map(|hook| (point, hook)))
    {
        let loaded = object.program(point, hook);
        let loaded = loaded.map(|program| count(program.info()));
        all.push((program_name(point, hook), loaded));
    }
    for name in Point::ALL.into_iter().filter_map(xdp_name) {
        let loaded = object.xdp_program(name);
        all.push((name, loaded.map(|program| count(program.info()))));
    }
    let drops = object.drops_program();
    all.push(("drops", drops.map(|program| count(program.info()))));
    let told = |(name, loaded): (_, Result<_, LoadError>)| {
        (name, loaded.map_err(|error| error.to_string()))
    };
    all.into_iter().map(told).collect()
}

/// The end of the verifier's log, where it says why.
fn verdict(log: &str) -> String {
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(VERDICT)..].join("\n  ")
}
