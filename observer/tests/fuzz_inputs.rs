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
#[path = "kernel_differential/composer.rs"]
#[expect(dead_code, reason = "what the differential test alone asks of a frame")]
mod composer;
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

use std::fs;
use std::path::{Path, PathBuf};

use outcomes::Histogram;
use target::Target;

/// Any number: the first inputs reach the same with each.
const SEED: u64 = 7;

#[test]
fn first_inputs_reach_every_outcome() {
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
    fs::remove_dir_all(scratch::folder()).expect("remove the folder for temporary files");
}

#[test]
fn a_changed_sequence_is_a_sequence_of_the_room_that_it_has() {
    let mut count = 0_u8;
    let mut change = |bytes: &mut [u8], size: usize| {
        count = count.wrapping_add(1);
        let size = (size + usize::from(count % 5)).min(bytes.len());
        bytes[..size].iter_mut().for_each(|byte| *byte ^= count);
        size
    };
    for (seed, (_, input)) in (0..).zip(dispatch::seeds(Target::Frame, SEED)) {
        let mut room = input.clone();
        room.resize(input.len() + 40, 0);
        let size = mutate::mutate(&mut room, input.len(), seed, &mut change);
        assert!(size <= room.len());
        dispatch::run(Target::Frame, &room[..size], &mut |_, _| {});
    }
}

#[test]
fn what_once_made_a_target_fail_passes() {
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
