//! A fresh network namespace per test, on a thread of its own; gone with the thread.

use std::panic;
use std::process::{Command, Output};
use std::thread;

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};

#[path = "../../../xtask/src/skip.rs"]
#[expect(unreachable_pub, reason = "the file is a public module of xtask too")]
mod skip;

/// Runs `body` in a fresh network namespace, or skips `test`.
pub(crate) fn in_new_namespace(test: &str, body: fn()) {
    let entered = thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNET)?;
        ip("link set lo up");
        body();
        Ok::<(), Errno>(())
    });
    match entered.join() {
        Ok(Ok(())) => {}
        Ok(Err(errno)) => skip::skip(test, &format!("make a network namespace: {errno}")),
        Err(panic) => panic::resume_unwind(panic),
    }
}

/// Runs `ip` with `words` in this thread's namespace; it has to succeed.
pub(crate) fn ip(words: &str) {
    let output = run("ip", words);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {words}: {complaint}");
}

/// Runs `program` with `words` in this thread's namespace.
pub(crate) fn run(program: &str, words: &str) -> Output {
    let output = Command::new(program).args(words.split(' ')).output();
    output.unwrap_or_else(|error| panic!("run {program} {words}: {error}"))
}
