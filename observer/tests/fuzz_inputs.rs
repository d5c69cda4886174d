//! The fuzz targets as ordinary tests: their first inputs reach every outcome, and inputs that once
//! made a target fail (`observer/fuzz/regressions`) pass.

#[path = "../fuzz/src/account.rs"]
mod account;
#[path = "../fuzz/src/bundle.rs"]
mod bundle;
#[path = "../fuzz/src/capture_seeds.rs"]
mod capture_seeds;
#[path = "../fuzz/src/captures.rs"]
mod captures;
#[path = "../fuzz/src/case.rs"]
mod case;
#[path = "../fuzz/src/compares.rs"]
mod compares;
#[path = "kernel_differential/composer.rs"]
#[expect(dead_code, reason = "what the differential test alone asks of a frame")]
mod composer;
#[path = "../fuzz/src/dice.rs"]
mod dice;
#[path = "../fuzz/src/dispatch.rs"]
mod dispatch;
#[path = "../fuzz/src/frame.rs"]
mod frame;
#[path = "../fuzz/src/frame_seeds.rs"]
mod frame_seeds;
#[path = "../fuzz/src/kinds.rs"]
mod kinds;
#[path = "../fuzz/src/mutate.rs"]
mod mutate;
#[path = "../fuzz/src/netlink.rs"]
mod netlink;
#[path = "../fuzz/src/netlink_seeds.rs"]
mod netlink_seeds;
#[path = "../fuzz/src/options.rs"]
mod options;
#[path = "../fuzz/src/outcomes.rs"]
mod outcomes;
#[path = "../fuzz/src/readers.rs"]
mod readers;
#[path = "../fuzz/src/records.rs"]
mod records;
#[path = "../fuzz/src/scratch.rs"]
mod scratch;
#[path = "../fuzz/src/settings.rs"]
mod settings;
#[path = "../fuzz/src/stage.rs"]
mod stage;
#[path = "../fuzz/src/target.rs"]
mod target;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use dice::Dice;
use mutate::Means;
use outcomes::Histogram;
use target::Target;

/// Any number: the first inputs reach the same with each.
const SEED: u64 = 7;

#[test]
fn first_inputs_reach_every_outcome() {
    let _alone = Alone::wait();
    for target in Target::ALL {
        let mut histogram = Histogram::of(dispatch::wanted(target));
        for (_, input) in dispatch::seeds(target, SEED) {
            dispatch::run(target, &input, &mut |group, name| {
                histogram.add(group, name);
            });
        }
        let lines: Vec<_> = histogram.lines().collect();
        println!("{}\n{}", target.name(), lines.join("\n"));
        let missing = histogram.missing();
        assert!(missing.is_empty(), "{}: {missing:?}", target.name());
    }
}

#[test]
fn a_changed_input_is_one_of_the_room_that_it_has() {
    let _alone = Alone::wait();
    let mut count = 0_u8;
    let mut change = |bytes: &mut [u8], size: usize| {
        count = count.wrapping_add(1);
        let size = (size + usize::from(count % 5)).min(bytes.len());
        bytes[..size].iter_mut().for_each(|byte| *byte ^= count);
        size
    };
    for target in Target::ALL {
        for (seed, (_, input)) in (0..).zip(dispatch::seeds(target, SEED)) {
            let mut room = input.clone();
            room.resize(input.len() + 40, 0);
            let means = Means {
                seed,
                pairs: &[(0x0800, 0x86dd), (4_789, 8_472)],
                change: &mut change,
            };
            let size = mutate::mutate(target, &mut room, input.len(), means);
            assert!(size <= room.len());
            dispatch::run(target, &room[..size], &mut |_, _| {});
        }
    }
}

#[test]
fn a_number_is_answered_by_the_one_that_it_was_compared_with() {
    let mut made = BTreeSet::new();
    for seed in 0..1_000 {
        let mut input = *b"\x45\x00\x00\x54\xff\x54\x00\x01";
        if compares::answer(&mut input, &[(84, 1_337)], &mut Dice(seed)) {
            made.insert(input);
        }
    }
    let head = |length: u16| {
        let [high, low] = length.to_be_bytes();
        [0x45, 0, high, low, 0xff, 0x54, 0, 1]
    };
    let tail = |length: u16| {
        let [low, high] = length.to_le_bytes();
        [0x45, 0, 0, 0x54, 0xff, low, high, 1]
    };
    let lengths = 1_336..=1_338;
    let wanted = lengths.flat_map(|length| [head(length), tail(length)]);
    assert_eq!(made, wanted.collect());
    let mut other = *b"\x45\x00\x00\x55";
    assert!(!compares::answer(&mut other, &[(84, 1_337)], &mut Dice(7)));
    assert!(!compares::answer(&mut other, &[], &mut Dice(7)));
}

#[test]
fn what_once_made_a_target_fail_passes() {
    let _alone = Alone::wait();
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/regressions");
    for folder in entries(&kept) {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let target = Target::named(&name).unwrap_or_else(|| panic!("no target {name}"));
        for path in entries(&folder) {
            println!("{}", path.display());
            dispatch::run(target, &fs::read(&path).expect("an input"), &mut |_, _| {});
        }
    }
}

/// The one test that uses the process's folder for temporary files, which it removes.
struct Alone(#[expect(dead_code, reason = "held")] MutexGuard<'static, ()>);

impl Alone {
    fn wait() -> Self {
        static FOLDER: Mutex<()> = Mutex::new(());
        Self(FOLDER.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        fs::remove_dir_all(scratch::folder()).expect("remove the folder for temporary files");
    }
}

/// What a folder holds, in order; nothing if there is none.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut paths: Vec<_> = paths.collect();
    paths.sort();
    paths
}
