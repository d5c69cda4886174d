//! Builds the kernel programs for the BPF target and hands their object file to the agent, which
//! embeds it, and the yardsticks' to the benchmarks. It never installs anything and never runs in
//! the BPF build itself.

#[path = "build/toolchain.rs"]
#[expect(
    unreachable_pub,
    reason = "xtask includes the same file as a public module"
)]
mod toolchain;

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use toolchain::Toolchain;

/// The variable that names an object file to the crate, and the binary it is of.
const OBJECTS: [(&str, &str); 2] = [
    ("OBSERVER_PROGRAMS", "programs"),
    ("OBSERVER_YARDSTICKS", "yardsticks"),
];

fn main() -> ExitCode {
    match build() {
        Ok(folder) => {
            for (variable, object) in OBJECTS {
                let path = folder.join(object);
                println!("cargo::rustc-env={variable}={}", path.display());
            }
            ExitCode::SUCCESS
        }
        Err(reason) => {
            println!("cargo::error={reason}");
            ExitCode::FAILURE
        }
    }
}

/// Builds all objects; the folder they are in.
fn build() -> Result<PathBuf, String> {
    for watched in [
        "build.rs",
        "build/toolchain.rs",
        "../observer-ebpf",
        "../Cargo.lock",
    ] {
        println!("cargo::rerun-if-changed={watched}");
    }
    println!("cargo::rerun-if-env-changed=NETPATH_CACHE");
    let toolchain = Toolchain::find()?;
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("read OUT_DIR: not set by cargo")?);
    let target_dir = out.join("bpf");
    run(
        compile(&toolchain, &target_dir),
        "compile observer-ebpf for bpfel-unknown-none",
    )?;
    Ok(target_dir.join("bpfel-unknown-none/release"))
}

fn compile(toolchain: &Toolchain, target_dir: &Path) -> Command {
    // BTF of programs and maps comes from debug information; one codegen unit keeps every call
    // inside one module, where it can be inlined. 64-bit atomic or/xchg/cmpxchg need cpu v3.
    // Packet fields are read as words: x86-64 and arm64 kernels allow that at any address.
    // Expanding memory copies in order makes LLVM call a byte-wise memset for the rest of them.
    let flags = [
        &format!("-Clinker={}", toolchain.linker().display()),
        "-Clink-arg=--btf",
        "-Clink-arg=--cpu-features=+allows-misaligned-mem-access",
        "-Clink-arg=--disable-expand-memcpy-in-order",
        "-Ctarget-cpu=v3",
        "-Cdebuginfo=2",
        "-Ccodegen-units=1",
    ]
    .join("\u{1f}");
    let mut cargo = toolchain.cargo();
    cargo
        .args([
            "build",
            "--release",
            "--locked",
            "--package",
            "observer-ebpf",
            "--bins",
        ])
        .args([
            "-Z",
            "build-std=core",
            "--target",
            "bpfel-unknown-none",
            "--target-dir",
        ])
        .arg(target_dir)
        .env("CARGO_ENCODED_RUSTFLAGS", flags);
    cargo
}

fn run(mut command: Command, what: &str) -> Result<(), String> {
    let status = command
        .status()
        .map_err(|error| format!("{what}: start {command:?}: {error}"))?;
    if status.success() {
        return Ok(());
    }
    Err(format!(
        "{what}: {status}; the compiler's messages stand above"
    ))
}
