//! The life of a lab: side by side, refused, failed half way, killed, opened and kept.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use xtask::lab::{Lab, LabError, Options, Scenario, netns};

use super::bench::{assert_nothing_left, lab_options, possible};

#[test]
fn sick_and_healthy_lab_live_side_by_side() {
    if !possible("life::sick_and_healthy_lab_live_side_by_side") {
        return;
    }
    let labs = [Scenario::S1, Scenario::H2]
        .map(|scenario| Lab::up(lab_options(scenario, "twin")).expect("lab comes up"));
    let [sick, healthy] = labs.each_ref().map(Lab::status);
    drop(labs);
    assert_nothing_left(&sick);
    assert_nothing_left(&healthy);
}

#[test]
fn second_lab_of_a_name_is_refused_and_the_first_lives_on() {
    if !possible("life::second_lab_of_a_name_is_refused_and_the_first_lives_on") {
        return;
    }
    let options = lab_options(Scenario::H2, "twice");
    let first = Lab::up(options.clone()).expect("lab comes up");
    let refused = Lab::up(options).expect_err("name is taken");
    assert!(matches!(refused, LabError::NameTaken { .. }), "{refused}");
    let text = refused.to_string();
    assert!(
        text.contains(&format!("held by process {}", std::process::id())),
        "{text}"
    );
    assert!(first.status().processes.iter().all(|process| process.alive));
}

#[test]
fn lab_that_fails_half_way_leaves_nothing() {
    if !possible("life::lab_that_fails_half_way_leaves_nothing") {
        return;
    }
    let program = Some(PathBuf::from("/bin/false"));
    let options = Options {
        program,
        ..lab_options(Scenario::S1, "fail")
    };
    let prefix = format!("np-{}-", options.name);
    let cause = Lab::up(options.clone()).expect_err("no tunnel process");
    assert!(matches!(cause, LabError::Ended { .. }), "{cause}");
    let left = |number| netns::exists(&format!("{prefix}n{number}"));
    assert!(!(1..=3).any(left) && !netns::exists(&format!("{prefix}wan")));
    assert!(!Lab::names().contains(&options.name));
}

#[test]
fn lab_of_a_killed_owner_is_swept() {
    const OWNER: &str = "NETPATH_TEST_OWNER";
    if let Ok(name) = std::env::var(OWNER) {
        let options = lab_options(Scenario::S1, "x").with_name(&name);
        let _lab = Lab::up(options).expect("lab comes up");
        println!("\nlab {name} is up");
        loop {
            std::thread::park();
        }
    }
    if !possible("life::lab_of_a_killed_owner_is_swept") {
        return;
    }
    let name = lab_options(Scenario::S1, "kill").name;
    let mut owner = Command::new(std::env::current_exe().expect("own path"))
        .args([
            "--exact",
            "life::lab_of_a_killed_owner_is_swept",
            "--nocapture",
        ])
        .env(OWNER, &name)
        .stdout(Stdio::piped())
        .spawn()
        .expect("second run of this test");
    let lines = BufReader::new(owner.stdout.take().expect("its output")).lines();
    let up = lines
        .map_while(Result::ok)
        .any(|line| line == format!("lab {name} is up"));
    assert!(up, "the owner brought its lab up");
    owner.kill().expect("kill");
    owner.wait().expect("reap");
    let status = Lab::open(&name).expect("state outlives its owner").status();
    let alive = status
        .processes
        .iter()
        .filter(|process| process.alive)
        .count();
    assert_eq!(alive, 3, "the tunnels outlive their owner");
    assert!(!status.owner.as_ref().expect("owner").alive);
    Lab::sweep().expect("sweep");
    assert_nothing_left(&status);
}

#[test]
fn kept_lab_outlives_its_guard_until_it_is_taken_down() {
    if !possible("life::kept_lab_outlives_its_guard_until_it_is_taken_down") {
        return;
    }
    let options = lab_options(Scenario::H2, "keep");
    let lab = Lab::up(options.clone()).expect("lab comes up");
    let status = lab.status();
    lab.keep().expect("keep");
    let opened = Lab::open(&options.name).expect("open");
    assert_eq!(opened.topology(), &status.topology);
    drop(opened);
    let shown = Lab::open(&options.name).expect("still there").status();
    assert!(shown.processes.iter().all(|process| process.alive));
    Lab::down(&options.name).expect("down");
    assert_nothing_left(&status);
    let missing = Lab::down(&options.name).expect_err("gone");
    assert!(matches!(missing, LabError::NoSuchLab { .. }), "{missing}");
}

#[test]
fn process_in_a_node_ends_with_its_guard() {
    if !possible("life::process_in_a_node_ends_with_its_guard") {
        return;
    }
    let lab = Lab::up(lab_options(Scenario::H2, "child")).expect("lab comes up");
    let log = lab.directory().join("sleep.log");
    let child = lab.spawn("n1", &["sleep", "1000"], &log).expect("spawn");
    let count = || lab.status().processes.len();
    assert_eq!((child.is_alive(), count()), (true, 4));
    drop(child);
    assert_eq!(count(), 3);
    let held = lab.spawn("n2-a", &["sleep", "1000"], &log).expect("spawn");
    drop(lab);
    assert!(!held.is_alive(), "a process ends with its lab");
}
