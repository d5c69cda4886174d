//! Reading 50,000 flows in batches, as a sweep does, against a walk: one key, then its value.

use std::fs;
use std::time::Instant;

use aya::maps::{HashMap, Map, MapData, MapInfo};
use observer::kernel::monotonic_nanos;
use observer::latency::Silence;
use observer::sweep::{Snapshot, read};
use observer_ebpf::abi::FIRST_PATH;
use observer_ebpf::abi::biflow::BiflowRecord;
use observer_ebpf::abi::key::FlowKey;
use observer_ebpf::units::Monotonic;

use super::Effort;
use super::row::{Better, Row, ratios};
use super::stage::{Failure, Stage};
use super::storm;

const BAR: f64 = 0.25;
const GOAL: f64 = 0.15;

const FLOWS: u32 = 50_000;
/// An LRU begins to evict some time before its last entry is taken.
const ENTRIES: u32 = 65_536;

type Walked = HashMap<MapData, [u8; size_of::<FlowKey>()], [u8; size_of::<BiflowRecord>()]>;

/// Nanoseconds per flow either way, and the ratio.
pub(super) fn rows(effort: Effort) -> Result<Vec<Row>, Failure> {
    let mut stage = Stage::new(storm::PODS, Some(ENTRIES))?;
    let control = storm::without_insert_budget(stage.object.control.get());
    stage.object.control.set(control);
    for number in 0..FLOWS {
        storm::show(&mut stage, number)?;
        stage.object.events.drain(usize::MAX, |_| {});
    }
    let walked = own_map("BIFLOWS")?;
    let (mut batch, mut walk, mut sweep) = (Vec::new(), Vec::new(), Vec::new());
    let mut snapshot = Snapshot::default();
    for _ in 0..effort.rounds {
        batch.push(per_flow(|| {
            let mut count = 0;
            stage.object.biflows.for_each(|_, _| count += 1)?;
            Ok(count)
        })?);
        walk.push(per_flow(|| {
            let mut count = 0;
            for entry in &walked {
                entry?;
                count += 1;
            }
            Ok(count)
        })?);
        sweep.push(per_flow(|| {
            let silence = Silence {
                node: "n1",
                now: Monotonic(monotonic_nanos()),
                epoch: control.epoch,
                echo_rate: control.echo_rate,
            };
            let object = &mut stage.object;
            read(object, &mut snapshot, &silence, FIRST_PATH, |_, _| {})?;
            Ok(snapshot.seen.entries)
        })?);
    }
    let ratio = ratios(&batch, &walk);
    let flows = format!("{FLOWS} flows");
    Ok(vec![
        Row::of("read_walk", "ns a flow", &flows, &walk),
        Row::of("read_batch", "ns a flow", &flows, &batch),
        Row::of("read_ratio", "1", "a key walk in the same round", &ratio).with_bar(
            Better::Lower,
            BAR,
            GOAL,
            &ratio,
        ),
        Row::of("read_sweep", "ns a flow", &flows, &sweep)
            .noted("read and understood: what a sweep does"),
    ])
}

/// Nanoseconds per flow of a read that has to find all of them.
fn per_flow(mut read: impl FnMut() -> Result<u64, Failure>) -> Result<f64, Failure> {
    let begun = Instant::now();
    let found = read()?;
    let took = begun.elapsed();
    if found != u64::from(FLOWS) {
        return Err(format!("read {FLOWS} flows: found {found}").into());
    }
    Ok(took.as_secs_f64() * 1e9 / f64::from(FLOWS))
}

/// A map of this process under its kernel name, opened once more.
fn own_map(name: &str) -> Result<Walked, Failure> {
    for entry in fs::read_dir("/proc/self/fdinfo")? {
        // A descriptor may be closed by now.
        let text = fs::read_to_string(entry?.path()).unwrap_or_default();
        let id = text.lines().find_map(|line| line.strip_prefix("map_id:"));
        let Some(id) = id.and_then(|id| id.trim().parse().ok()) else {
            continue;
        };
        let info = MapInfo::from_id(id)?;
        if info.name_as_str() == Some(name) && info.max_entries() == ENTRIES {
            return Ok(Map::LruHashMap(MapData::from_id(id)?).try_into()?);
        }
    }
    Err(format!("find map `{name}` of this process: it is not there").into())
}
