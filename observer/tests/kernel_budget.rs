//! What the verifier has to walk through per program. The bound leaves older kernels room: they prune
//! less. Needs root.

#[path = "../../xtask/src/skip.rs"]
#[expect(unreachable_pub, reason = "a library of xtask, a module here")]
mod skip;

use observer::kernel::{Object, Sizes, program_name};
use observer_ebpf::abi::point::{Hook, Point};

/// Verified instructions per program at most.
const BOUND: u32 = 200_000;

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
    let mut object = Object::load(sizes).expect("load the maps");
    for point in Point::ALL {
        for hook in Hook::ALL {
            let name = program_name(point, hook);
            let program = object.program(point, hook).expect(name);
            let verified = program.info().expect(name).verified_instruction_count();
            println!("{name}: {verified:?} verified instructions");
            assert!(
                verified.is_some_and(|count| count <= BOUND),
                "{name}: {verified:?}"
            );
        }
    }
}
