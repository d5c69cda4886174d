//! Plans for machines that are fresh, half ready, ready, and out of reach.

use std::collections::BTreeSet;

use super::*;

#[test]
fn a_ready_machine_has_nothing_to_do() {
    let machine = Machine {
        found: Some(Way::Distribution),
        ..complete()
    };
    assert_eq!(plan(&machine), Ok(Plan::Ready(Way::Distribution)));
}

#[test]
fn a_complete_nightly_is_used_and_nothing_is_installed_beside_it() {
    let machine = Machine {
        found: Some(Way::Nightly),
        nightly: Nightly::WithSource,
        compiler: false,
        ..complete()
    };
    assert_eq!(plan(&machine), Ok(Plan::Ready(Way::Nightly)));
}

#[test]
fn a_fresh_machine_gets_lists_packages_and_linker_in_this_order() {
    let steps = steps(&fresh());
    assert_eq!(steps[0], Step::UpdatePackageLists);
    let Step::InstallPackages(packages) = &steps[1] else {
        panic!("{steps:?}")
    };
    let mut wanted = [&COMPILER_PACKAGES[..], &LINKER_PACKAGES, &TOOL_PACKAGES].concat();
    wanted.sort_unstable();
    let mut packages = packages.clone();
    packages.sort_unstable();
    assert_eq!(packages, wanted);
    assert_eq!(steps[2..], [Step::InstallLinker]);
}

#[test]
fn a_nightly_without_source_counts_as_absent_and_is_named() {
    let machine = Machine {
        nightly: Nightly::WithoutSource,
        ..fresh()
    };
    let Ok(Plan::Steps { why, steps }) = plan(&machine) else {
        panic!("no steps")
    };
    assert!(
        why.contains("way B") && why.contains("no rust-src"),
        "{why}"
    );
    assert_eq!(steps, self::steps(&fresh()));
}

#[test]
fn a_nightly_with_source_needs_no_second_compiler() {
    let machine = Machine {
        nightly: Nightly::WithSource,
        ..fresh()
    };
    let Step::InstallPackages(packages) = &steps(&machine)[1] else {
        panic!("no packages")
    };
    assert!(!packages.contains(&"rustc-web"), "{packages:?}");
    assert!(packages.contains(&"llvm-22-dev"), "{packages:?}");
}

#[test]
fn only_the_linker_is_built_when_every_package_is_there_even_without_root() {
    let packages = LINKER_PACKAGES.map(str::to_owned).into();
    let machine = Machine {
        found: None,
        linker: false,
        packages,
        root: false,
        ..complete()
    };
    assert_eq!(steps(&machine), [Step::InstallLinker]);
}

#[test]
fn a_missing_nft_alone_installs_one_package() {
    let machine = Machine {
        found: Some(Way::Distribution),
        missing_tools: vec!["nftables"],
        ..complete()
    };
    let wanted = [
        Step::UpdatePackageLists,
        Step::InstallPackages(vec!["nftables"]),
    ];
    assert_eq!(steps(&machine), wanted);
}

#[test]
fn an_unusable_compiler_is_asked_for_again() {
    let machine = Machine {
        found: None,
        nightly: Nightly::WithSource,
        ..complete()
    };
    let wanted = Step::InstallPackages(COMPILER_PACKAGES.to_vec());
    assert_eq!(steps(&machine), [Step::UpdatePackageLists, wanted]);
}

#[test]
fn a_system_without_apt_is_told_what_to_type() {
    let machine = Machine {
        system: System::Other("Fedora Linux 44".to_owned()),
        ..fresh()
    };
    let said = refusal(&machine);
    for part in [
        "Fedora Linux 44",
        "rustup toolchain install nightly",
        "cargo install bpf-linker",
    ] {
        assert!(said.contains(part), "{part} is not in: {said}");
    }
}

#[test]
fn without_root_the_apt_command_is_printed() {
    let said = refusal(&Machine {
        root: false,
        ..fresh()
    });
    assert!(said.contains("needs root"), "{said}");
    assert!(
        said.contains("sudo apt-get update && sudo apt-get install -y"),
        "{said}"
    );
    assert!(
        said.contains("rustc-web") && said.contains("nftables"),
        "{said}"
    );
}

fn steps(machine: &Machine) -> Vec<Step> {
    match plan(machine) {
        Ok(Plan::Steps { steps, .. }) => steps,
        other => panic!("no steps but {other:?}"),
    }
}

fn refusal(machine: &Machine) -> String {
    plan(machine).expect_err("must be refused").to_string()
}

/// Everything installed; `found` is for the test to say.
fn complete() -> Machine {
    Machine {
        found: None,
        nightly: Nightly::Absent,
        linker: true,
        compiler: true,
        system: System::Debian,
        root: true,
        packages: BTreeSet::new(),
        missing_tools: Vec::new(),
    }
}

/// Debian with git, rustup and a C compiler.
fn fresh() -> Machine {
    Machine {
        linker: false,
        compiler: false,
        missing_tools: TOOL_PACKAGES.to_vec(),
        ..complete()
    }
}
