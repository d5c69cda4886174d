//! What a number belongs to: machine, kernel and how busy both are; and how a measured thread gets
//! its processor.

use std::fs;
use std::panic::resume_unwind;
use std::thread;

use rustix::process::setpriority_process;

/// The best place in the queue of a processor.
const FIRST: i32 = -20;

/// Runs `work` on a thread that others have to wait for, and with it all threads that it starts: a
/// build beside a benchmark must not decide it.
pub(super) fn preferred<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let preferred = move || {
        if let Err(refused) = setpriority_process(None, FIRST) {
            eprintln!("raise the priority of a measured thread: {refused}; going on without");
        }
        work()
    };
    let joined = thread::scope(|scope| scope.spawn(preferred).join());
    joined.unwrap_or_else(|panic| resume_unwind(panic))
}

/// Processors that this process may use.
pub(super) fn cpus() -> usize {
    thread::available_parallelism().map_or(1, Into::into)
}

/// Two lines for the head of a table.
pub(super) fn describe() -> String {
    let model = read("/proc/cpuinfo");
    let model = model
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("unknown processor", |text| {
            text.trim_start_matches([' ', '\t', ':'])
        });
    let load = read("/proc/loadavg");
    let load: Vec<&str> = load.split_whitespace().take(3).collect();
    format!(
        "machine: {model}, {} CPUs; load {} before\nkernel: Linux {}; clock {}; JIT {}; TCP reno in the pods",
        cpus(),
        load.join(" "),
        read("/proc/sys/kernel/osrelease"),
        read("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
        read("/proc/sys/net/core/bpf_jit_enable"),
    )
}

fn read(path: &str) -> String {
    fs::read_to_string(path).map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
}
