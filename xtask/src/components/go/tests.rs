//! Versions are read as Go prints them, and the user's settings stay out.

use super::super::table::{ETCD, FLANNEL};
use super::*;
use crate::report;

#[test]
fn versions_are_read_from_releases_candidates_and_builds_of_ones_own() {
    let cases = [
        ("go version go1.26.8 linux/amd64", Some(Version(1, 26, 8))),
        ("go version go1.26 linux/arm64", Some(Version(1, 26, 0))),
        ("go version go1.27rc1 linux/amd64", Some(Version(1, 27, 0))),
        (
            "go version go1.26.6-X:nodwarf5 linux/amd64",
            Some(Version(1, 26, 6)),
        ),
        (
            "go version go1.28-devel_4f5d3b2 Mon Jun 1 10:00:00 2026 linux/amd64",
            Some(Version(1, 28, 0)),
        ),
        (
            "go version devel go1.28-4f5d3b2 linux/amd64",
            Some(Version(1, 28, 0)),
        ),
        ("gccgo 13", None),
        ("", None),
    ];
    for (said, version) in cases {
        assert_eq!(Version::parse(said), version, "{said}");
    }
}

#[test]
fn versions_compare_by_number_not_by_letter() {
    let is_enough = |said| Version::parse(said).is_some_and(|version| version >= NEEDED);
    for enough in ["go1.26.6", "go1.26.10", "go1.27", "go2.0", "go1.100.1"] {
        assert!(is_enough(enough), "{enough}");
    }
    for old in ["go1.26.5", "go1.26", "go1.9.9", "go1.26rc1"] {
        assert!(!is_enough(old), "{old}");
    }
}

#[test]
fn the_first_compiler_that_is_new_enough_is_taken() {
    let seen = |cases: &[(&str, &str)]| {
        let cases = cases.iter();
        choose(cases.map(|(path, said)| (PathBuf::from(path), format!("go version {said}"))))
    };
    let old = ("/usr/bin/go", "go1.19.8 linux/amd64");
    let new = ("/opt/go/bin/go", "go1.26.8 linux/amd64");
    let strange = ("/home/x/go", "what?");
    let found = seen(&[strange, old, new]).expect("one is new enough");
    assert_eq!(
        (found.path.as_path(), found.version),
        (Path::new("/opt/go/bin/go"), Version(1, 26, 8))
    );
    let said = seen(&[old, strange]).expect_err("none is new enough");
    assert!(said.contains("1.19.8 at /usr/bin/go"), "{said}");
    assert!(said.contains("/home/x/go that says no version"), "{said}");
    assert_eq!(seen(&[]), Err("none".to_owned()));
}

#[test]
fn a_missing_compiler_is_answered_with_what_was_sought_and_how_to_get_it() {
    let error = ComponentsError::NoGo {
        component: "etcd",
        found: "1.19.8 at /usr/bin/go".to_owned(),
    };
    let said = error.to_string();
    for part in [
        "build etcd",
        "1.26.6",
        "on the path",
        OFFICIAL,
        "1.19.8 at /usr/bin/go",
        "golang-go",
        "cargo xtask lab build",
    ] {
        assert!(said.contains(part), "{part} is not in: {said}");
    }
}

#[test]
fn only_c_code_needs_a_c_compiler() {
    let (bin, nowhere) = (OsStr::new("/bin"), OsStr::new("/nowhere"));
    let asked = |component, path| has_compiler(component, "sh -m64".to_owned(), path);
    assert!(asked(&ETCD, nowhere).is_ok(), "Go only");
    assert!(asked(&FLANNEL, bin).is_ok(), "it is there");
    let error = asked(&FLANNEL, nowhere).expect_err("it is not there");
    assert!(error.lacks_a_compiler());
    let said = error.to_string();
    for part in ["build flannel", "`sh -m64`", "gcc"] {
        assert!(said.contains(part), "{part} is not in: {said}");
    }
}

#[test]
fn a_build_takes_only_what_is_checksummed_and_nothing_from_the_user() {
    let go = Go {
        path: "/opt/go".into(),
        version: NEEDED,
    };
    let program = Program {
        file: "x",
        package: "example.org/x",
    };
    let (folder, out) = (Path::new("/src"), Path::new("/out/x"));
    let command = go.build(Cgo::Off, &program, folder, out);
    let typed = report::typed(&command);
    for part in [
        "CGO_ENABLED=0",
        "GOFLAGS=-mod=readonly",
        "GOTOOLCHAIN=local",
        "GOWORK=off",
        "-trimpath",
        "-p 2",
        "-o /out/x example.org/x",
    ] {
        assert!(typed.contains(part), "{part} is not in: {typed}");
    }
    assert_eq!(command.get_current_dir(), Some(folder));
    let removed: Vec<_> = command
        .get_envs()
        .filter(|(_, value)| value.is_none())
        .map(|(name, _)| name.to_string_lossy().into_owned())
        .collect();
    for name in FOREIGN {
        assert!(removed.contains(&name.to_owned()), "{name}");
    }
    let with_c = report::typed(&go.build(Cgo::On, &program, folder, out));
    assert!(with_c.contains("CGO_ENABLED=1"), "{with_c}");
}
