//! Everything that xtask prints goes through here: results to standard output, what is going on and
//! complaints to standard error. It never decides what is worth saying.

use std::fmt::Display;
use std::io::{self, Write as _};
use std::panic;
use std::process::Command;
use std::thread;
use std::time::Duration;

/// Prints one line (or block) of result. Once nobody reads any more (`| head`), the thread ends as by a
/// panic but silently, so that guards remove what they hold.
pub fn line(text: impl Display) {
    let Err(cause) = writeln!(io::stdout(), "{text}") else {
        return;
    };
    if thread::panicking() {
        return;
    }
    if cause.kind() != io::ErrorKind::BrokenPipe {
        error(format_args!("print the results: {cause}"));
    }
    panic::resume_unwind(Box::new("the results cannot be printed"));
}

/// Prints one line about what is going on to standard error: a document on standard output stays one.
pub fn progress(text: impl Display) {
    eprintln!("{text}");
}

/// Prints one line of complaint to standard error.
pub fn error(text: impl Display) {
    eprintln!("error: {text}");
}

/// Prints the command that is about to run, as it could be typed.
pub fn command(command: &Command) {
    progress(format_args!("$ {}", typed(command)));
}

/// A command as a person would type it, with the variables that were set for it.
#[must_use]
pub fn typed(command: &Command) -> String {
    let own_cargo = std::env::var_os("CARGO");
    let mut words = Vec::new();
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            words.push(format!(
                "{}={}",
                name.to_string_lossy(),
                quoted(&value.to_string_lossy())
            ));
        }
    }
    if own_cargo.as_deref() == Some(command.get_program()) {
        words.push("cargo".to_owned());
    } else {
        words.push(quoted(&command.get_program().to_string_lossy()));
    }
    words.extend(
        command
            .get_args()
            .map(|word| quoted(&word.to_string_lossy())),
    );
    words.join(" ")
}

/// A word in single quotes where a POSIX shell would otherwise split or expand it.
#[must_use]
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// A duration with the digits that a person reads: `0.4 s`, `41 s`, `4 min 07 s`.
#[must_use]
pub fn seconds(duration: Duration) -> String {
    let whole = duration.as_secs();
    match whole {
        0..10 => format!("{:.1} s", duration.as_secs_f64()),
        10..60 => format!("{whole} s"),
        _ => format!("{} min {:02} s", whole / 60, whole % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typed_command_shows_its_variables_and_quotes_its_spaces() {
        let mut command = Command::new("cargo");
        command
            .args(["install", "two words", "it's"])
            .env("LLVM_PREFIX", "/usr/lib/llvm-22");
        assert_eq!(
            typed(&command),
            r"LLVM_PREFIX=/usr/lib/llvm-22 cargo install 'two words' 'it'\''s'"
        );
    }

    #[test]
    fn durations_read_as_a_person_says_them() {
        let cases = [
            (400, "0.4 s"),
            (9_960, "10.0 s"),
            (41_200, "41 s"),
            (247_000, "4 min 07 s"),
        ];
        for (millis, text) in cases {
            assert_eq!(seconds(Duration::from_millis(millis)), text);
        }
    }
}
