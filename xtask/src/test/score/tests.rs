//! How suites are counted that pass, fail, skip, crash, hang, or have no tests.

use super::*;

#[test]
fn a_skipped_test_is_not_counted_as_passed() {
    let score = suite(&closing(3, 0, 0), &Ending::Clean, &["lab::b"]);
    assert_eq!(
        (score.passed, score.failed.len(), score.skipped.len()),
        (2, 0, 1)
    );
}

#[test]
fn a_check_that_could_not_look_at_everything_is_no_passed_one() {
    let row = |outcome| {
        let checked = Checked {
            name: "budget",
            outcome,
            took: Duration::ZERO,
        };
        let score = Score::of_check(&checked);
        (score.passed, score.failed.len(), score.skipped)
    };
    assert_eq!(row(Outcome::Green), (1, 0, vec![]));
    assert_eq!(row(Outcome::NotGreen), (0, 1, vec![]));
    let skip = Skip {
        test: "budget".to_owned(),
        reason: "verified instructions: no column".to_owned(),
    };
    let skipped = Outcome::Skipped(skip.reason.clone());
    assert_eq!(row(skipped), (0, 0, vec![skip]));
}

#[test]
fn a_skip_may_name_the_function_alone() {
    let score = suite(&closing(3, 0, 0), &Ending::Clean, &["b"]);
    assert_eq!((score.passed, score.skipped.len()), (2, 1));
}

#[test]
fn a_skip_of_no_test_is_a_failure() {
    let score = suite(&closing(3, 0, 0), &Ending::Clean, &["ab"]);
    assert_eq!((score.passed, score.skipped.len()), (3, 0));
    assert!(score.failed[0].contains("`ab`"), "{:?}", score.failed);
    assert!(!is_name("lab::crab", "ab") && is_name("lab::ab", "ab"));
}

#[test]
fn a_test_that_skips_and_then_fails_has_failed() {
    let text = "running 1 test\ntest a ... FAILED\n".to_owned() + &result(0, 1, 0, 0);
    let score = suite(&text, &broken(), &["a"]);
    assert_eq!(
        (score.passed, score.failed, score.skipped.len()),
        (0, vec!["a".to_owned()], 0)
    );
}

#[test]
fn an_ignored_test_is_a_skipped_one() {
    let text = "running 1 test\ntest a ... ignored\n".to_owned() + &result(0, 0, 1, 0);
    let score = suite(&text, &Ending::Clean, &[]);
    assert_eq!((score.passed, score.skipped.len()), (0, 1));
}

#[test]
fn a_crashed_binary_has_failed_even_when_all_results_were_good() {
    let score = suite(
        "running 2 tests\ntest a ... ok\ntest b ...\n",
        &broken(),
        &[],
    );
    assert_eq!((score.passed, score.failed.len()), (1, 1));
    assert!(
        score.failed[0].contains("crashed in b (signal 11)"),
        "{:?}",
        score.failed
    );
}

#[test]
fn a_process_that_never_got_to_its_tests_is_a_failure_of_its_own() {
    let score = suite("error: could not compile\n", &broken(), &[]);
    assert_eq!(score.failed, ["ended before its first test (signal 11)"]);
}

#[test]
fn an_end_without_closing_line_is_a_failure() {
    let score = suite("running 1 test\ntest a ... ok\n", &Ending::Clean, &[]);
    assert_eq!(score.failed.len(), 1);
}

#[test]
fn an_unclean_end_after_good_results_is_a_failure() {
    let score = suite(&closing(3, 0, 0), &broken(), &[]);
    assert_eq!((score.passed, score.failed.len()), (3, 1));
}

#[test]
fn a_suite_without_tests_has_failed_but_not_one_that_was_filtered() {
    let none = suite(
        &("running 0 tests\n".to_owned() + &result(0, 0, 0, 0)),
        &Ending::Clean,
        &[],
    );
    assert_eq!(none.failed, ["has no tests"]);
    let filtered = suite(
        &("running 0 tests\n".to_owned() + &result(0, 0, 0, 9)),
        &Ending::Clean,
        &[],
    );
    assert!(filtered.is_empty());
}

#[test]
fn documentation_may_have_no_examples() {
    let mut transcript = Transcript::default();
    transcript.line(&result(0, 0, 0, 0), Duration::ZERO);
    let score = Score::of_suite(
        "doc",
        transcript,
        &Ending::Clean,
        Emptiness::Allowed,
        vec![],
    );
    assert!(score.is_empty());
}

#[test]
fn the_last_line_has_exactly_this_form() {
    let scores = [
        suite(&closing(3, 0, 0), &Ending::Clean, &["lab::b"]),
        Score::broken("x", "y"),
    ];
    assert_eq!(total(&scores).to_string(), "2 passed, 1 failed, 1 skipped");
}

fn suite(text: &str, ending: &Ending, skips: &[&str]) -> Score {
    let mut transcript = Transcript::default();
    for line in text.lines() {
        transcript.line(line, Duration::ZERO);
    }
    let skip = |test: &&str| Skip {
        test: (*test).to_owned(),
        reason: "needs root".to_owned(),
    };
    Score::of_suite(
        "suite",
        transcript,
        ending,
        Emptiness::Failure,
        skips.iter().map(skip).collect(),
    )
}

fn closing(passed: usize, failed: usize, ignored: usize) -> String {
    let head = "running 3 tests\ntest a ... ok\ntest lab::b ... ok\ntest lab::c ... ok\n";
    head.to_owned() + &result(passed, failed, ignored, 0)
}

fn result(passed: usize, failed: usize, ignored: usize, filtered: usize) -> String {
    format!(
        "test result: ok. {passed} passed; {failed} failed; {ignored} ignored; 0 measured; \
         {filtered} filtered out; finished in 0.00s\n"
    )
}

fn broken() -> Ending {
    Ending::Broken("signal 11".to_owned())
}
