//! Every rule against a tree that keeps it and one that breaks it.

use super::*;

#[test]
fn a_good_tree_has_no_finding() {
    let findings: Vec<String> = RULES.iter().flat_map(|rule| rule(&good())).collect();
    assert!(findings.is_empty(), "{findings:?}");
}

#[test]
fn a_source_without_module_doc_is_found() {
    found(
        &with("a/src/b.rs", "// plain\n"),
        "a/src/b.rs: does not begin",
    );
}

#[test]
fn a_source_of_more_than_400_lines_is_found() {
    let at = "//! a\n".repeat(LONGEST);
    assert!(
        all(&with("a/src/b.rs", &at)).is_empty(),
        "400 lines are allowed"
    );
    found(
        &with("a/src/b.rs", &format!("{at}//! b\n")),
        "a/src/b.rs: 401 lines",
    );
}

#[test]
fn every_kind_of_open_end_is_found_with_its_line() {
    for mark in OPEN_ENDS {
        found(
            &with("a/src/b.rs", &format!("//! a\n{mark}\n")),
            "a/src/b.rs:2: left open",
        );
    }
}

#[test]
fn a_nameless_module_file_is_found() {
    found(
        &with("a/src/b/mod.rs", "//! b\n"),
        "a/src/b/mod.rs: name it",
    );
}

#[test]
fn a_readme_without_one_of_the_commands_is_found() {
    found(
        &with("README.md", "cargo xtask run\n"),
        "`cargo xtask test` is not in it",
    );
    found(
        &with("README.md", "cargo xtask test\n"),
        "`cargo xtask run` is not in it",
    );
}

#[test]
fn machine_paths_and_registry_hosts_are_found_outside_the_lock_file() {
    for mark in FOREIGN {
        let text = format!("x\nsee {mark}y\n");
        found(
            &with("docs/a.md", &text),
            "docs/a.md:2: path of one machine",
        );
        assert!(all(&with("Cargo.lock", &text)).is_empty(), "{mark}");
    }
}

#[test]
fn a_crate_without_the_workspace_lints_is_found() {
    found(
        &with("a/Cargo.toml", "[package]\nname = \"a\"\n"),
        "a/Cargo.toml: add `[lints]`",
    );
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    let text = "[a](../README.md#b) [c](https://example.org/x) [d](gone.md)\n";
    found(&with("docs/e.md", text), "docs/e.md: link to gone.md");
    assert_eq!(all(&with("docs/e.md", text)).len(), 1);
}

fn all(tree: &Tree) -> Vec<String> {
    RULES.iter().flat_map(|rule| rule(tree)).collect()
}

fn found(tree: &Tree, said: &str) {
    let findings = all(tree);
    assert!(
        findings.iter().any(|line| line.contains(said)),
        "{said} is not in {findings:?}"
    );
}

fn good() -> Tree {
    let files = [
        (
            "README.md",
            "cargo xtask run, cargo xtask test, [docs](docs/a.md), [dir](docs/)\n",
        ),
        ("docs/a.md", "[back](../README.md#top)\n"),
        ("Cargo.toml", "[workspace]\n"),
        (
            "a/Cargo.toml",
            "[package]\nname = \"a\"\n\n[lints]\nworkspace = true\n",
        ),
        ("a/src/lib.rs", "//! A crate.\n"),
    ];
    Tree {
        files: files
            .map(|(path, text)| (path.to_owned(), text.to_owned()))
            .into(),
    }
}

fn with(path: &str, text: &str) -> Tree {
    let mut tree = good();
    tree.files.insert(path.to_owned(), text.to_owned());
    tree
}
