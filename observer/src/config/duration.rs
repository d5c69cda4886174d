//! Durations with a unit: `250ms`, `5s`, `2min`, `1h`. A bare number is refused.

use std::time::Duration;

/// The text is no duration.
#[derive(Debug, thiserror::Error)]
#[error("read duration `{0}`: write a whole number with its unit: ms, s, min or h")]
pub struct DurationError(String);

/// Reads a duration.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let wrong = || DurationError(text.to_owned());
    let unit_at = text
        .find(|letter: char| !letter.is_ascii_digit())
        .ok_or_else(wrong)?;
    let (number, unit) = text.split_at_checked(unit_at).ok_or_else(wrong)?;
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "min" => 60_000,
        "h" => 3_600_000,
        _ => return Err(wrong()),
    };
    number
        .checked_mul(millis)
        .map(Duration::from_millis)
        .ok_or_else(wrong)
}

/// The shortest text that [`parse_duration`] reads back.
#[must_use]
pub fn write_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    for (unit, size) in [("h", 3_600_000), ("min", 60_000), ("s", 1_000)] {
        if millis >= size && millis.is_multiple_of(size) {
            return format!("{}{unit}", millis / size);
        }
    }
    format!("{millis}ms")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written_with_their_unit() {
        for (text, millis) in [
            ("250ms", 250),
            ("5s", 5_000),
            ("2min", 120_000),
            ("1h", 3_600_000),
        ] {
            let read = parse_duration(text).expect(text);
            assert_eq!(read, Duration::from_millis(millis));
            assert_eq!(write_duration(read), text);
        }
    }

    #[test]
    fn anything_else_is_refused_and_quoted() {
        for text in [
            "",
            "5",
            "s",
            "5 s",
            "5m",
            "-5s",
            "1.5s",
            "99999999999999999999s",
            "18446744073709551615h",
        ] {
            let error = parse_duration(text).expect_err(text).to_string();
            assert!(error.contains(&format!("`{text}`")), "{error}");
        }
    }
}
