//! Entry point of the node agent.

use std::process::ExitCode;

fn main() -> ExitCode {
    observer::commands::main()
}
