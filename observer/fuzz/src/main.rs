//! The fuzzer: libFuzzer around one target, which `NETPATH_FUZZ_TARGET` names. Started by
//! `cargo xtask fuzz`; with one more variable it writes or measures a corpus instead.
#![no_main]

mod account;
mod bundle;
mod capture_seeds;
mod captures;
mod case;
mod compares;
#[path = "../../tests/kernel_differential/composer.rs"]
#[expect(dead_code, reason = "what the differential test alone asks of a frame")]
mod composer;
mod corpus;
mod dice;
mod dispatch;
mod frame;
mod frame_seeds;
mod hooks;
mod kinds;
mod mutate;
mod netlink;
mod netlink_seeds;
mod options;
mod outcomes;
mod readers;
mod records;
mod scratch;
mod settings;
mod stage;
mod target;

use std::sync::OnceLock;

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

use mutate::Means;
use target::Target;

static TARGET: OnceLock<Target> = OnceLock::new();

fuzz_target!(
    init: {
        let target = corpus::target();
        corpus::serve(target);
        TARGET.get_or_init(|| target);
    },
    |input: &[u8]| {
        if let Some(target) = TARGET.get() {
            hooks::listen(|| dispatch::run(*target, input, &mut |_, _| {}));
        }
    }
);

fuzz_mutator!(|input: &mut [u8], size: usize, most: usize, seed: u32| {
    let mut change = |bytes: &mut [u8], size: usize| {
        let most = bytes.len();
        fuzzer_mutate(bytes, size, most)
    };
    let pairs = hooks::latest();
    let means = Means {
        seed,
        pairs: &pairs,
        change: &mut change,
    };
    match (TARGET.get(), input.get_mut(..most)) {
        (Some(target), Some(input)) => mutate::mutate(*target, input, size, means),
        _ => size,
    }
});
