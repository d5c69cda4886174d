//! What every program of the object costs the verifier in instructions and stack, said line by line
//! for `cargo xtask check`, and bounded; where settings change programs, by the dearest variant. The bounds leave older kernels room: they prune less.

#[path = "../../xtask/src/skip.rs"]
#[expect(unreachable_pub, reason = "a library of xtask, a module here")]
mod skip;
#[path = "kernel_budget/stack.rs"]
mod stack;

use std::collections::BTreeMap;

use observer::kernel::{Object, Sizes};

/// Verified instructions per program at most.
const INSTRUCTIONS: u32 = 200_000;
/// Bytes of stack per program at most, of the 512 that the kernel allows.
const STACK: u32 = 384;
/// Lines of the verifier's log that are shown.
const VERDICT: usize = 12;

#[test]
fn no_program_takes_more_than_384_bytes_of_stack() {
    let depths = stack::depths(include_bytes!(env!("OBSERVER_PROGRAMS")));
    assert!(!depths.is_empty(), "no programs");
    for (name, depth) in &depths {
        println!("netpath-stack: {name} = {depth}");
    }
    let broken: Vec<_> = depths.iter().filter(|(_, depth)| **depth > STACK).collect();
    assert!(broken.is_empty(), "above {STACK} bytes: {broken:?}");
}

#[tokio::test]
async fn no_program_takes_the_verifier_more_than_200_000_instructions() {
    if !rustix::process::geteuid().is_root() {
        skip::skip(
            "no_program_takes_the_verifier_more_than_200_000_instructions",
            "loading programs needs root",
        );
        return;
    }
    let mut verified = BTreeMap::new();
    for wired in [false, true] {
        let sizes = Sizes {
            biflows: 1_024,
            ring: 4_096,
            wired,
        };
        let found = Object::load(sizes).expect("load the maps").verify();
        for (name, found) in found {
            let found = found.map_err(|error| error.to_string());
            let dearest = match (verified.remove(&name), found) {
                (Some(Ok(one)), Ok(other)) => Ok(other.max(one)),
                (None | Some(Ok(_)), found) => found,
                (Some(Err(refused)), _) => Err(refused),
            };
            verified.insert(name, dearest);
        }
    }
    let (mut broken, mut loaded) = (Vec::new(), 0);
    for (name, verified) in &verified {
        match verified {
            Ok(count) => {
                loaded += 1;
                println!("netpath-instructions: {name} = {count}");
                if *count > INSTRUCTIONS {
                    broken.push(name);
                }
            }
            Err(error) => {
                println!("{name}: refused: {}", verdict(error));
                broken.push(name);
            }
        }
    }
    println!(
        "netpath-fact: programs loaded = {loaded} of {}",
        verified.len()
    );
    assert!(
        loaded > 0 && broken.is_empty(),
        "refused or above {INSTRUCTIONS}, see above: {broken:?}"
    );
}

/// The end of the verifier's log, where it says why.
fn verdict(log: &str) -> String {
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(VERDICT)..].join("\n  ")
}
