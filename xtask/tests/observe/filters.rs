//! What `tc` says of the classifiers at a device, and changes to them. It knows no agent.

use std::process::Command;

/// The filters at the ingress and the egress of a device, a line each.
pub(crate) fn filters(netns: &str, device: &str) -> [Vec<String>; 2] {
    ["ingress", "egress"].map(|hook| {
        let text = tc(netns, &format!("filter show dev {device} {hook}"));
        let lines = text.lines().filter(|line| line.contains(" handle "));
        lines.map(str::to_owned).collect()
    })
}

/// True if the device has a qdisc for classifiers.
pub(crate) fn has_qdisc(netns: &str, device: &str) -> bool {
    tc(netns, &format!("qdisc show dev {device}")).contains("clsact")
}

/// Runs `tc` on a line of arguments.
pub(crate) fn tc(netns: &str, line: &str) -> String {
    let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
    tc_words(netns, &words)
}

/// The same for arguments that have blanks.
pub(crate) fn tc_words(netns: &str, words: &[String]) -> String {
    let mut command = Command::new("tc");
    let done = command.args(["-n", netns]).args(words).output();
    let done = done.expect("tc starts");
    assert!(done.status.success(), "{words:?}: {done:?}");
    String::from_utf8(done.stdout).expect("text")
}
