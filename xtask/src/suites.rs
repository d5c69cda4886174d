//! Which test binaries there are, from cargo's own messages, and how each is to be run. Pure.

use std::path::PathBuf;

use serde::Deserialize;

/// Integration tests of these crates build network namespaces or load programs: one at a time.
const SERIAL_CRATES: [&str; 2] = ["observer", "xtask"];

/// One test binary.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Suite {
    /// Its tests run one by one, after all suites that run in parallel.
    pub serial: bool,
    /// Crate, and target where it is not the crate's library.
    pub name: String,
    /// The binary.
    pub executable: PathBuf,
    /// Folder of its crate, where tests expect to run.
    pub folder: PathBuf,
}

#[derive(Deserialize)]
struct Message {
    reason: String,
    manifest_path: Option<PathBuf>,
    target: Option<Target>,
    profile: Option<Profile>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

/// The suite that a line of `cargo test --no-run --message-format=json` announces, if it does.
pub(crate) fn announced(line: &str) -> Option<Suite> {
    let message: Message = serde_json::from_str(line).ok()?;
    let target = message.target?;
    if message.reason != "compiler-artifact" || !message.profile?.test {
        return None;
    }
    let executable = message.executable?;
    let folder = message.manifest_path?.parent()?.to_owned();
    let package = folder.file_name()?.to_string_lossy().into_owned();
    let integration = target.kind.iter().any(|kind| kind == "test");
    let binary = target.kind.iter().any(|kind| kind == "bin");
    let name = match (integration, binary) {
        (true, _) => format!("{package} tests/{}", target.name),
        (false, true) => format!("{package} bin {}", target.name),
        (false, false) => package.clone(),
    };
    let serial = integration && SERIAL_CRATES.contains(&package.as_str());
    Some(Suite {
        serial,
        name,
        executable,
        folder,
    })
}

/// Name and path of the program, no test, that such a line announces, if it does.
pub(crate) fn program(line: &str) -> Option<(String, PathBuf)> {
    let message: Message = serde_json::from_str(line).ok()?;
    let target = message.target?;
    let is_program = target.kind.iter().any(|kind| kind == "bin") && !message.profile?.test;
    is_program.then_some((target.name, message.executable?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn library_tests_run_in_parallel_and_topologies_one_by_one() {
        let library = announced(&message("xtask", "lib", true)).expect("a suite");
        assert_eq!((library.name.as_str(), library.serial), ("xtask", false));
        let topology = announced(&message("xtask", "test", true)).expect("a suite");
        assert_eq!(
            (topology.name.as_str(), topology.serial),
            ("xtask tests/t", true)
        );
        let pure = announced(&message("observer-ebpf", "test", true)).expect("a suite");
        assert!(!pure.serial);
        assert_eq!(pure.folder, PathBuf::from("/x/observer-ebpf"));
    }

    #[test]
    fn programs_are_those_that_are_no_tests() {
        let found = program(&message("xtask", "bin", false));
        assert_eq!(found, Some(("t".to_owned(), PathBuf::from("/x/target/t"))));
        assert_eq!(program(&message("xtask", "bin", true)), None);
        assert_eq!(program(&message("xtask", "lib", false)), None);
    }

    #[test]
    fn what_is_no_test_binary_announces_no_suite() {
        assert_eq!(announced(&message("xtask", "lib", false)), None);
        assert_eq!(
            announced("{\"reason\":\"build-finished\",\"success\":true}"),
            None
        );
        assert_eq!(announced("not json"), None);
    }

    fn message(package: &str, kind: &str, test: bool) -> String {
        format!(
            "{{\"reason\":\"compiler-artifact\",\"manifest_path\":\"/x/{package}/Cargo.toml\",\
             \"target\":{{\"name\":\"t\",\"kind\":[\"{kind}\"]}},\"profile\":{{\"test\":{test}}},\
             \"executable\":\"/x/target/t\"}}"
        )
    }
}
