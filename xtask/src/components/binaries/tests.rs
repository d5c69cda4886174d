//! Every program of the table is found, and none that is not there.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};

use super::super::table::COMPONENTS;
use super::*;

#[test]
fn every_program_of_the_table_is_found_once_it_is_there() {
    let cache = cache("all");
    let mut laid = BTreeSet::new();
    for component in COMPONENTS {
        for program in component.programs {
            laid.insert(lay(component, program.file, &cache, 0o755));
        }
    }
    let found = Binaries::below(&cache).expect("all are there");
    let Binaries {
        tailscale,
        tailscaled,
        derper,
        headscale,
        flannel,
        bridge,
        host_local,
        etcd,
    } = found;
    let found = [
        tailscale, tailscaled, derper, headscale, flannel, bridge, host_local, etcd,
    ];
    assert_eq!(BTreeSet::from(found), laid);
    fs::remove_dir_all(cache).expect("remove the folder");
}

#[test]
fn missing_programs_are_named_with_the_command_that_builds_them() {
    let cache = cache("some");
    lay(&CNI, "bridge", &cache, 0o755);
    lay(&ETCD, "etcd", &cache, 0o644);
    let missing = Binaries::below(&cache).expect_err("most are missing");
    assert_eq!(missing.programs.len(), 7);
    let said = missing.to_string();
    for part in [
        "derper (tailscale v1.102.3)",
        "host-local (cni v1.9.1)",
        "etcd (etcd v3.6.14)",
        "`cargo xtask lab build`",
    ] {
        assert!(said.contains(part), "{part} is not in: {said}");
    }
    assert!(!said.contains("bridge"), "it is there: {said}");
    fs::remove_dir_all(cache).expect("remove the folder");
}

fn cache(name: &str) -> PathBuf {
    let name = format!("netpath-binaries-{name}-{}", std::process::id());
    std::env::temp_dir().join(name)
}

fn lay(component: &Component, file: &str, cache: &Path, mode: u32) -> PathBuf {
    let path = key::program(component, file, cache);
    fs::create_dir_all(path.parent().expect("a folder")).expect("make the folder");
    fs::write(&path, "program").expect("write the program");
    fs::set_permissions(&path, Permissions::from_mode(mode)).expect("set its mode");
    path
}
