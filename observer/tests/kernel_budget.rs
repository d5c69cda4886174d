//! What the verifier has to walk through per program. The bound leaves older kernels room: they prune
//! less. Needs root.

#[path = "../../xtask/src/skip.rs"]
#[expect(unreachable_pub, reason = "a library of xtask, a module here")]
mod skip;

use observer::kernel::{Object, Sizes, program_name};
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
    let sizes = Sizes {
        biflows: 1_024,
        ring: 4_096,
    };
    let mut broken = Vec::new();
    let mut object = Object::load(sizes).expect("load the maps");
    for point in Point::ALL {
        for hook in Hook::ALL {
            let name = program_name(point, hook);
            let program = match object.program(point, hook) {
                Ok(program) => program,
                Err(error) => {
                    println!("{name}: refused: {}", verdict(&error.to_string()));
                    broken.push(name);
                    continue;
                }
            };
            let verified = program.info().expect(name).verified_instruction_count();
            println!("{name}: {verified:?} verified instructions");
            if verified.is_none_or(|count| count > BOUND) {
                broken.push(name);
            }
        }
    }
    match object.drops_program() {
        Ok(program) => {
            let verified = program.info().expect("drops").verified_instruction_count();
            println!("drops: {verified:?} verified instructions");
            if verified.is_none_or(|count| count > BOUND) {
                broken.push("drops");
            }
        }
        Err(error) => {
            println!("drops: refused: {}", verdict(&error.to_string()));
            broken.push("drops");
        }
    }
    assert!(
        broken.is_empty(),
        "refused or above {BOUND}, see above: {broken:?}"
    );
}

/// The end of the verifier's log, where it says why.
fn verdict(log: &str) -> String {
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(VERDICT)..].join("\n  ")
}
