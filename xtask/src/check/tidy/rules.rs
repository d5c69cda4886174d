//! One function per rule of the house: the tree in, one line per finding out. Pure.

use super::{Tree, has_extension};

/// A rule.
pub(super) type Rule = fn(&Tree) -> Vec<String>;

/// Every rule.
pub(super) const RULES: [Rule; 8] = [
    sources_say_what_they_are,
    sources_stay_short,
    nothing_is_left_open,
    modules_have_names,
    readme_has_the_two_commands,
    no_machine_paths_or_registry_hosts,
    crates_take_the_workspace_lints,
    links_lead_somewhere,
];

/// A file longer than this has two subjects.
const LONGEST: usize = 400;

/// Cut in two so that this file does not break its own rule.
const OPEN_ENDS: [&str; 5] = [
    concat!("to", "do!"),
    concat!("unimple", "mented!"),
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("#[ig", "nore"),
];

/// Folders of one machine, and hosts of package registries; cut in two like the above.
const FOREIGN: [&str; 8] = [
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/fa", "rm/"),
    concat!("index.cra", "tes.io"),
    concat!("proxy.go", "lang.org"),
    concat!("registry.np", "mjs"),
    concat!("py", "pi.org"),
    concat!("deb.deb", "ian.org"),
];

fn sources_say_what_they_are(tree: &Tree) -> Vec<String> {
    let silent = tree.sources().filter(|(_, text)| !text.starts_with("//!"));
    silent
        .map(|(path, _)| format!("{path}: does not begin with a `//!` line"))
        .collect()
}

fn sources_stay_short(tree: &Tree) -> Vec<String> {
    let long = tree
        .sources()
        .map(|(path, text)| (path, text.lines().count()));
    long.filter(|(_, lines)| *lines > LONGEST)
        .map(|(path, lines)| format!("{path}: {lines} lines, more than {LONGEST}"))
        .collect()
}

fn nothing_is_left_open(tree: &Tree) -> Vec<String> {
    lines_with(tree.sources(), &OPEN_ENDS, "left open")
}

fn modules_have_names(tree: &Tree) -> Vec<String> {
    let nameless = tree
        .sources()
        .filter(|(path, _)| path.rsplit('/').next() == Some("mod.rs"));
    nameless
        .map(|(path, _)| format!("{path}: name it after its module, beside its folder"))
        .collect()
}

fn readme_has_the_two_commands(tree: &Tree) -> Vec<String> {
    let readme = tree.text("README.md").unwrap_or_default();
    let missing = ["cargo xtask run", "cargo xtask test"].into_iter();
    let missing = missing.filter(|command| !readme.contains(command));
    missing
        .map(|command| format!("README.md: `{command}` is not in it"))
        .collect()
}

fn no_machine_paths_or_registry_hosts(tree: &Tree) -> Vec<String> {
    let files = tree.iter().filter(|(path, _)| *path != "Cargo.lock");
    lines_with(files, &FOREIGN, "path of one machine or host of a registry")
}

fn crates_take_the_workspace_lints(tree: &Tree) -> Vec<String> {
    let manifests = tree.iter().filter(|(path, _)| path.ends_with("Cargo.toml"));
    let crates = manifests.filter(|(_, text)| text.contains("[package]"));
    crates
        .filter(|(_, text)| !text.contains("[lints]\nworkspace = true"))
        .map(|(path, _)| format!("{path}: add `[lints]` with `workspace = true`"))
        .collect()
}

fn links_lead_somewhere(tree: &Tree) -> Vec<String> {
    let mut findings = Vec::new();
    let pages = tree.iter().filter(|(path, _)| {
        has_extension(path, "md") && (*path == "README.md" || path.starts_with("docs/"))
    });
    for (path, text) in pages {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        for target in link_targets(text) {
            if !tree.has(&resolve(folder, target)) {
                findings.push(format!("{path}: link to {target} leads nowhere"));
            }
        }
    }
    findings
}

/// Targets inside the repository of `[text](target)`, without their `#fragment`.
fn link_targets(text: &str) -> impl Iterator<Item = &str> {
    let targets = text
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next());
    let inside = targets.filter(|target| !target.contains("://") && !target.starts_with("mailto:"));
    inside
        .filter_map(|target| target.split('#').next())
        .filter(|target| !target.is_empty())
}

fn resolve(folder: &str, target: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    parts.join("/")
}

fn lines_with<'a>(
    files: impl Iterator<Item = (&'a str, &'a str)>,
    marks: &[&str],
    what: &str,
) -> Vec<String> {
    let mut findings = Vec::new();
    for (path, text) in files {
        for (index, line) in text.lines().enumerate() {
            if let Some(mark) = marks.iter().find(|mark| line.contains(**mark)) {
                findings.push(format!("{path}:{}: {what}: {mark}", index + 1));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests;
