//! Numbers as a person reads them: three figures, a unit, thousands apart. Pure.

/// `12345678` as `12,345,678`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Three figures, at most three decimals: `0.042`, `4.21`, `42.1`, `421`.
pub(super) fn figures(number: f64) -> String {
    match number.abs() {
        0.0..0.9995 => format!("{number:.3}"),
        0.9995..9.995 => format!("{number:.2}"),
        9.995..99.95 => format!("{number:.1}"),
        _ => format!("{number:.0}"),
    }
}

/// A rate: `9.61 Gbit/s`.
pub(super) fn bits_per_second(rate: f64) -> String {
    let scales = [(1e9, "Gbit/s"), (1e6, "Mbit/s"), (1e3, "kbit/s")];
    let fitting = scales.into_iter().find(|(scale, _)| rate >= *scale);
    let (scale, unit) = fitting.unwrap_or((1.0, "bit/s"));
    format!("{} {unit}", figures(rate / scale))
}

/// Two figures are what a short measurement is good for: `4.2`, `12`.
pub(super) fn two_figures(number: f64) -> String {
    if number < 9.95 {
        format!("{number:.1}")
    } else {
        format!("{number:.0}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_a_person_says_them() {
        let grouped: Vec<String> = [0, 999, 1_000, 12_345_678].map(grouped).into();
        assert_eq!(grouped, ["0", "999", "1,000", "12,345,678"]);
        let figures: Vec<String> = [0.0, 0.0424, 0.9996, 4.214, 42.14, 421.4]
            .map(figures)
            .into();
        assert_eq!(figures, ["0.000", "0.042", "1.00", "4.21", "42.1", "421"]);
        let rates: Vec<String> = [12.0, 9_610_000_000.0, 740_000.0]
            .map(bits_per_second)
            .into();
        assert_eq!(rates, ["12.0 bit/s", "9.61 Gbit/s", "740 kbit/s"]);
        let rough: Vec<String> = [4.21, 9.94, 9.96, 41.7].map(two_figures).into();
        assert_eq!(rough, ["4.2", "9.9", "10", "42"]);
    }
}
