//! How components are built, with a Go module of one file in place of the large ones, and what the
//! finished ones are. Go itself runs; nothing is downloaded.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use xtask::components::build::build;
use xtask::components::go::Go;
use xtask::components::key;
use xtask::components::table::{COMPONENTS, Cgo, Component, Program};
use xtask::components::{Binaries, ComponentsError, Missing};
use xtask::skip::skip;

const GO_MOD: &str = "module netpath.lab/trial\n\ngo 1.26.4\n";

const WHOLE: Component = Component {
    name: "trial",
    module: "netpath.lab/trial",
    version: "v0.0.1",
    programs: &[Program {
        file: "says",
        package: "netpath.lab/trial",
    }],
    cgo: Cgo::Off,
    files: &[
        ("go.mod", GO_MOD),
        (
            "main.go",
            "package main\n\nimport \"os\"\n\nfunc main() { os.Stdout.WriteString(\"built\") }\n",
        ),
    ],
};

const BROKEN: Component = Component {
    files: &[
        ("go.mod", GO_MOD),
        ("main.go", "package main\n\nfunc main() { nowhere() }\n"),
    ],
    ..WHOLE
};

const WITHOUT_CHECKSUM: Component = Component {
    files: &[
        (
            "go.mod",
            "module netpath.lab/trial\n\ngo 1.26.4\n\nrequire golang.org/x/text v0.14.0\n",
        ),
        (
            "main.go",
            "package main\n\nimport _ \"golang.org/x/text/width\"\n\nfunc main() {}\n",
        ),
    ],
    ..WHOLE
};

#[test]
fn a_component_is_built_once_and_starts() {
    let Some(cache) = Cache::new("a_component_is_built_once_and_starts") else {
        return;
    };
    let built = build(&WHOLE, &cache.0).expect("the first build");
    assert!(built.took.is_some(), "it was not there before");
    let program = built.folder.join("says");
    assert_eq!(program, key::program(&WHOLE, "says", &cache.0));
    let said = Command::new(&program).output().expect("start the program");
    assert_eq!(said.stdout, b"built");
    assert_eq!(built.size, fs::metadata(&program).expect("its size").len());

    let again = build(&WHOLE, &cache.0).expect("the second build");
    assert!(again.took.is_none(), "it was there");
    assert_eq!(cache.entries(), [".trial.lock".to_owned(), place(&WHOLE)]);
}

#[test]
fn a_build_that_fails_says_why_and_leaves_nothing_that_counts() {
    let test = "a_build_that_fails_says_why_and_leaves_nothing_that_counts";
    let Some(cache) = Cache::new(test) else {
        return;
    };
    let error = build(&BROKEN, &cache.0).expect_err("it calls what is not there");
    let said = error.to_string();
    assert!(matches!(error, ComponentsError::Build { .. }), "{said}");
    assert!(
        said.contains("main.go:3") && said.contains("nowhere"),
        "{said}"
    );
    assert_eq!(cache.entries(), [".trial.lock"]);
    build(&WHOLE, &cache.0).expect("a build after it");
}

#[test]
fn what_a_killed_build_has_left_is_replaced() {
    let Some(cache) = Cache::new("what_a_killed_build_has_left_is_replaced") else {
        return;
    };
    let half = key::program(&WHOLE, "says", &cache.0);
    let staging = cache.0.join("components/.trial-building-1/bin/says");
    for path in [&half, &staging] {
        fs::create_dir_all(path.parent().expect("a folder")).expect("make the folder");
        fs::write(path, "half").expect("write half a program");
    }
    let built = build(&WHOLE, &cache.0).expect("build over it");
    assert!(built.took.is_some(), "a file that cannot start is none");
    let said = Command::new(&half).output().expect("start the program");
    assert_eq!(said.stdout, b"built");
    assert_eq!(cache.entries(), [".trial.lock".to_owned(), place(&WHOLE)]);
}

#[test]
fn of_two_builds_at_a_time_one_builds_and_both_have_it() {
    let Some(cache) = Cache::new("of_two_builds_at_a_time_one_builds_and_both_have_it") else {
        return;
    };
    let builds = thread::scope(|scope| {
        let started = [(); 2].map(|()| scope.spawn(|| build(&WHOLE, &cache.0)));
        started.map(|build| build.join().expect("no panic").expect("a build"))
    });
    let took = builds.iter().filter(|built| built.took.is_some());
    assert_eq!(took.count(), 1);
    assert_eq!(builds[0].folder, builds[1].folder);
    assert_eq!(cache.entries(), [".trial.lock".to_owned(), place(&WHOLE)]);
}

#[test]
fn a_module_without_a_checksum_is_refused() {
    let Some(cache) = Cache::new("a_module_without_a_checksum_is_refused") else {
        return;
    };
    let error = build(&WITHOUT_CHECKSUM, &cache.0).expect_err("there is no go.sum");
    let said = error.to_string();
    assert!(said.contains("missing go.sum entry"), "{said}");
    assert_eq!(cache.entries(), [".trial.lock"]);
}

#[test]
fn finished_programs_hold_the_pinned_modules() {
    let test = "finished_programs_hold_the_pinned_modules";
    let Some(go) = go(test) else { return };
    if Binaries::find().is_err() {
        return skip(test, Missing::REASON);
    }
    for component in COMPONENTS {
        let pinned = format!("\t{}\t{}\th1:", component.module, component.version);
        for program in component.programs {
            let path = key::program(component, program.file, &key::cache());
            let mut ask = Command::new(&go.path);
            let said = ask.args(["version", "-m"]).arg(&path).output();
            let said = said.expect("start go").stdout;
            let said = String::from_utf8_lossy(&said);
            assert!(said.contains(&pinned), "{}: {said}", path.display());
        }
    }
}

/// Nothing, and a reported skip, where there is no Go.
fn go(test: &str) -> Option<Go> {
    let go = Go::find().ok();
    if go.is_none() {
        skip(test, "there is no Go that is new enough");
    }
    go
}

/// A cache folder of one test, removed at its end.
struct Cache(PathBuf);

impl Cache {
    fn new(test: &str) -> Option<Self> {
        go(test)?;
        let name = format!("netpath-{test}-{}", std::process::id());
        Some(Self(std::env::temp_dir().join(name)))
    }

    /// Names in the folder of components, in order.
    fn entries(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.join("components")).expect("the folder of components");
        let mut names: Vec<String> = entries
            .map(|entry| entry.expect("an entry").file_name())
            .map(|name| name.to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// Name of a component's folder.
fn place(component: &Component) -> String {
    let folder = key::folder(component, Path::new(""));
    let name = folder.file_name().expect("a name");
    name.to_string_lossy().into_owned()
}
