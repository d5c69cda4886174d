//! The agent and the receiver of OTLP, built by one call of cargo.

use std::path::Path;
use std::process::Command;

use xtask::run::{Programs, observer_and_sink};
use xtask::sink;

#[test]
fn one_call_builds_the_agent_and_the_receiver_beside_it() {
    let Programs {
        observer,
        sink: receiver,
    } = observer_and_sink().expect("both are built");
    assert_eq!(receiver, sink::beside(&observer));
    assert!(help(&observer).contains("observer"));
    let help = help(&receiver);
    for option in ["--listen", "--spans", "--metrics"] {
        assert!(help.contains(option), "{help}");
    }
}

fn help(program: &Path) -> String {
    let output = Command::new(program).arg("--help").output().expect("start");
    assert!(output.status.success(), "{}", program.display());
    String::from_utf8(output.stdout).expect("text")
}
