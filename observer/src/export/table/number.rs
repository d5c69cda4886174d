//! Numbers that fit a narrow column.

/// Three figures and a power of a thousand: `9999`, `10.0k`, `1.23M`.
pub(super) fn short(number: u64) -> String {
    if number < 10_000 {
        return number.to_string();
    }
    let mut unit = 1_000_u64;
    let mut suffixes = ["k", "M", "G", "T", "P", "E"].into_iter();
    let mut suffix = suffixes.next().unwrap_or_default();
    for next in suffixes {
        if number / unit < 1_000 {
            break;
        }
        unit *= 1_000;
        suffix = next;
    }
    format!("{}{suffix}", three(number, unit))
}

/// Nanoseconds as milliseconds: `0.042`, `1.23`, `45.6`, `1234`.
pub(super) fn millis(nanos: u64) -> String {
    if nanos < 1_000_000 {
        return format!("0.{:03}", nanos / 1_000);
    }
    three(nanos, 1_000_000)
}

/// `number / unit` to three figures, rounded down.
fn three(number: u64, unit: u64) -> String {
    let (whole, rest) = (number / unit, number % unit);
    let hundredths = rest / (unit / 100);
    match whole {
        0..=9 => format!("{whole}.{hundredths:02}"),
        10..=99 => format!("{whole}.{}", hundredths / 10),
        _ => whole.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_three_figures() {
        for (number, expected) in [
            (0, "0"),
            (9_999, "9999"),
            (10_000, "10.0k"),
            (123_456, "123k"),
            (999_999, "999k"),
            (1_234_567, "1.23M"),
            (u64::MAX, "18.4E"),
        ] {
            assert_eq!(short(number), expected);
        }
        for (nanos, expected) in [
            (999, "0.000"),
            (42_900, "0.042"),
            (999_999, "0.999"),
            (1_239_999, "1.23"),
            (45_678_000, "45.6"),
            (4_000_000_000, "4000"),
        ] {
            assert_eq!(millis(nanos), expected);
        }
    }
}
