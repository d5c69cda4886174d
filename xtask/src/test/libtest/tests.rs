//! Output as test binaries print it, whole, broken off and with strangers in between.

use super::*;

const WHOLE: &str = "
running 4 tests
test a::passes ... ok
test a::fails ... FAILED
test a::panics - should panic ... ok
test a::waits ... ignored, needs a moon

failures:

---- a::fails stdout ----
thread 'a::fails' panicked at src/lib.rs:1:1:
test result: of somebody else

test result: FAILED. 2 passed; 1 failed; 1 ignored; 0 measured; 7 filtered out; finished in 0.01s
";

#[test]
fn names_results_and_counts_are_read() {
    let transcript = read(WHOLE);
    assert_eq!(transcript.passed, ["a::passes", "a::panics"]);
    assert_eq!(transcript.failed, ["a::fails"]);
    assert_eq!(
        transcript.ignored,
        [("a::waits".to_owned(), "needs a moon".to_owned())]
    );
    let closing = Closing {
        passed: 2,
        failed: 1,
        ignored: 1,
        filtered: 7,
    };
    assert_eq!(transcript.closing, Some(closing));
    assert_eq!(transcript.unheard(), 0);
}

#[test]
fn a_run_that_breaks_off_has_no_closing_line_and_names_the_running_test() {
    let transcript = read("running 3 tests\ntest one ... ok\ntest two ...");
    assert_eq!(transcript.closing, None);
    assert_eq!(transcript.running(), Some("two"));
    assert_eq!(transcript.unheard(), 2);
}

#[test]
fn output_of_a_child_process_inside_the_line_hides_nothing() {
    let text =
        "running 2 tests\ntest one ... PING 10.0.0.1\n64 bytes\nok\ntest two ... hello\nFAILED\n";
    let transcript = read(text);
    assert_eq!(transcript.passed, ["one"]);
    assert_eq!(transcript.failed, ["two"]);
}

#[test]
fn several_binaries_in_one_output_are_summed() {
    let one = "running 1 test\ntest a ... ok\ntest result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n";
    let closing = read(&one.repeat(3)).closing.expect("closing lines");
    assert_eq!(closing.passed, 3);
}

#[test]
fn a_test_lasts_from_the_result_before_to_its_own() {
    let mut transcript = Transcript::default();
    let lines = ["running 2 tests", "test a ... ok", "test b ... ok"];
    for (line, millis) in lines.into_iter().zip([10, 40, 140]) {
        transcript.line(line, Duration::from_millis(millis));
    }
    let wanted = [("a".to_owned(), 30), ("b".to_owned(), 100)]
        .map(|(name, millis)| (name, Duration::from_millis(millis)));
    assert_eq!(transcript.durations, wanted);
}

fn read(text: &str) -> Transcript {
    let mut transcript = Transcript::default();
    for line in text.lines() {
        transcript.line(line, Duration::ZERO);
    }
    transcript
}
