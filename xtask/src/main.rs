//! Entry point of `cargo xtask`: hands the arguments to the library and returns its exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    xtask::cli::main()
}
