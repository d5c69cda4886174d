//! The table and the module files say the same.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::*;
use crate::workspace_root;

#[test]
fn versions_are_those_that_the_module_files_require() {
    for component in COMPONENTS {
        let required: Vec<&str> = lines_after(text(component, "go.mod"), "require ").collect();
        let pinned = format!("{} {}", component.module, component.version);
        assert_eq!(required, [pinned], "{}", component.name);
    }
}

#[test]
fn source_and_requirements_of_every_module_are_checksummed() {
    for component in COMPONENTS {
        let (module, version) = (component.module, component.version);
        for line in [
            format!("{module} {version} h1:"),
            format!("{module} {version}/go.mod h1:"),
        ] {
            let found = text(component, "go.sum")
                .lines()
                .any(|sum| sum.starts_with(&line));
            assert!(found, "{}/go.sum has no `{line}`", component.name);
        }
    }
}

#[test]
fn programs_are_those_that_the_module_imports() {
    for component in COMPONENTS {
        let imported = lines_after(text(component, "tools.go"), "\t_ ");
        let imported: BTreeSet<&str> = imported.map(|path| path.trim_matches('"')).collect();
        let built = component.programs.iter().map(|program| program.package);
        assert_eq!(imported, built.collect(), "{}", component.name);
    }
}

#[test]
fn every_file_of_a_components_folder_is_in_the_table() {
    let root = workspace_root().join("xtask/components");
    for component in COMPONENTS {
        let listed = component.files.iter().map(|(path, _)| (*path).to_owned());
        let folder = root.join(component.name);
        assert_eq!(below(&folder, ""), listed.collect(), "{}", component.name);
    }
    let folders = fs::read_dir(root).expect("the folder of the components");
    assert_eq!(folders.count(), COMPONENTS.len());
}

#[test]
fn no_two_programs_have_one_name() {
    let programs = COMPONENTS.iter().flat_map(|component| component.programs);
    let names: Vec<&str> = programs.map(|program| program.file).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
}

#[test]
fn an_unknown_name_is_answered_with_the_known_ones() {
    assert_eq!(named("cni"), Ok(&CNI));
    let said = named("derper").expect_err("a program, not a component");
    for component in COMPONENTS {
        assert!(said.contains(component.name), "{said}");
    }
}

fn text(component: &Component, path: &str) -> &'static str {
    let file = component.files.iter().find(|(name, _)| *name == path);
    file.unwrap_or_else(|| panic!("{} has no {path}", component.name))
        .1
}

fn lines_after<'a>(text: &'a str, start: &'static str) -> impl Iterator<Item = &'a str> {
    text.lines()
        .filter_map(move |line| line.strip_prefix(start))
}

/// Paths of all files below a folder, from that folder on.
fn below(folder: &Path, prefix: &str) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    for entry in fs::read_dir(folder).expect("read the folder").flatten() {
        let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            paths.append(&mut below(&entry.path(), &format!("{path}/")));
        } else {
            paths.insert(path);
        }
    }
    paths
}
