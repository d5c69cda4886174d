//! The command line as a person types it.

use clap::CommandFactory;

use super::dispatch::dispatch;
use super::exit::Failure;
use super::*;
use crate::components::ComponentsError;

#[test]
fn the_definition_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn every_visible_verb_has_a_one_line_description() {
    let command = Cli::command();
    let verbs: Vec<_> = command
        .get_subcommands()
        .filter(|verb| !verb.is_hide_set())
        .collect();
    let names: Vec<&str> = verbs.iter().map(|verb| verb.get_name()).collect();
    assert_eq!(
        names,
        [
            "setup", "run", "test", "lab", "bench", "check", "fuzz", "image"
        ]
    );
    for verb in verbs {
        let about = verb.get_about().expect("described").to_string();
        assert!(
            about.len() > 10 && !about.contains('\n'),
            "{}: {about}",
            verb.get_name()
        );
    }
}

#[test]
fn verbs_of_later_parts_name_the_part_and_are_usage_errors() {
    let failure = refusal(&["image"]);
    assert_eq!(failure.exit(), Exit::Usage);
    assert!(failure.to_string().contains("part 6"), "{failure}");
}

#[test]
fn fuzzing_takes_a_time_a_target_and_a_seed() {
    let words = ["fuzz", "--for", "90s", "--target", "frame", "--seed", "7"];
    let Some(Verb::Fuzz(options)) = parse(&words).expect("parse").verb else {
        panic!("not fuzz")
    };
    assert_eq!((options.time.as_secs(), options.seed), (90, Some(7)));
    for words in [
        &["fuzz", "--for", "60"][..],
        &["fuzz", "--for", "999ms"],
        &["fuzz", "--target", "parser"],
    ] {
        assert!(parse(words).is_err(), "{words:?}");
    }
}

#[test]
fn an_unknown_verb_or_option_is_refused() {
    for words in [
        &["explode"][..],
        &["test", "--quick"],
        &["run", "--for", "20"],
        &["check", "x"],
    ] {
        assert!(parse(words).is_err(), "{words:?}");
    }
}

#[test]
fn the_lab_takes_scenario_seed_and_delay_boxes() {
    let words = [
        "lab",
        "up",
        "mixed",
        "--seed",
        "7",
        "--delay-box",
        "n1:eth0",
    ];
    let Some(Verb::Lab(LabArgs {
        verb: lab::LabVerb::Up(up),
    })) = parse(&words).expect("parse").verb
    else {
        panic!("not the lab")
    };
    assert_eq!(
        (up.scenario.as_str(), up.seed, up.delay_box.len()),
        ("mixed", Some(7), 1)
    );
    for words in [
        &["lab"][..],
        &["lab", "up", "s1", "--real", "--pods", "2"],
        &["lab", "verify"],
        &["lab", "verify", "S1", "--for", "0s"],
        &["lab", "observe", "S1", "--for", "2999ms"],
        &["lab", "down", "a", "--all"],
    ] {
        assert!(parse(words).is_err(), "{words:?}");
    }
}

#[test]
fn the_lab_builds_components_by_name() {
    let words = ["lab", "build", "--only", "etcd", "--only", "cni"];
    let Some(Verb::Lab(LabArgs {
        verb: lab::LabVerb::Build(build),
    })) = parse(&words).expect("parse").verb
    else {
        panic!("not a build")
    };
    let names: Vec<&str> = build.only.iter().map(|component| component.name).collect();
    assert_eq!(names, ["etcd", "cni"]);
    let refused = parse(&["lab", "build", "--only", "derper"]).expect_err("a program");
    let said = refused.to_string();
    assert!(
        said.contains("tailscale, headscale, flannel, cni, etcd"),
        "{said}"
    );
}

#[test]
fn a_missing_compiler_is_a_machine_that_cannot_be_served() {
    let exit = |error| Failure::Lab(lab::LabVerbError::Components(error)).exit();
    let found = "none".to_owned();
    let component = "etcd";
    assert_eq!(
        exit(ComponentsError::NoGo { component, found }),
        Exit::CannotServe
    );
    let (program, tail) = ("etcd", String::new());
    assert_eq!(exit(ComponentsError::Build { program, tail }), Exit::Failed);
}

#[test]
fn a_missing_right_is_one_line_with_the_command() {
    let command = "sudo -E env \"PATH=$PATH\" cargo xtask run".to_owned();
    let failure = Failure::NeedsRoot {
        verb: "run",
        command,
    };
    assert_eq!(failure.exit(), Exit::NeedsRoot);
    assert_eq!(failure.to_string().lines().count(), 1);
}

fn parse(words: &[&str]) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(["xtask"].iter().chain(words))
}

fn refusal(words: &[&str]) -> Failure {
    let verb = parse(words).expect("parse").verb.expect("a verb");
    dispatch(&verb, &[]).expect_err("must be refused")
}
