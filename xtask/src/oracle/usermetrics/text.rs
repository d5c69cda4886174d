//! One line of the Prometheus text format: `name{label="value",...} number [time]`. Pure.

use std::collections::BTreeMap;

use super::Series;

/// The series of a line; none if it is none, or its number is not whole.
pub(super) fn series(line: &str) -> Option<Series> {
    let end = line.find(|letter: char| letter == '{' || letter.is_whitespace())?;
    let (name, rest) = line.split_at(end);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (BTreeMap::new(), rest),
    };
    let mut words = rest.split_whitespace();
    let value = whole(words.next()?)?;
    let is_time = |word: &str| word.parse::<i64>().is_ok();
    let rest_is_time = words.next().is_none_or(is_time) && words.next().is_none();
    (!name.is_empty() && rest_is_time).then(|| Series {
        name: name.to_owned(),
        labels,
        value,
    })
}

/// Labels up to the closing brace, and what is behind it.
fn labels(mut rest: &str) -> Option<(BTreeMap<String, String>, &str)> {
    let mut labels = BTreeMap::new();
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if let Some(behind) = rest.strip_prefix('}') {
            return Some((labels, behind));
        }
        let (label, behind) = rest.split_once("=\"")?;
        let (value, behind) = quoted(behind)?;
        labels.insert(label.trim().to_owned(), value);
        rest = behind;
    }
}

/// A value up to its closing quote, and what is behind it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((position, letter)) = letters.next() {
        match letter {
            '"' => return Some((value, &text[position + 1..])),
            '\\' => value.push(match letters.next()? {
                (_, 'n') => '\n',
                (_, other) => other,
            }),
            other => value.push(other),
        }
    }
    None
}

/// A whole number, also one with an exponent such as `1.5e+06`.
fn whole(word: &str) -> Option<i64> {
    if let Ok(value) = word.parse() {
        return Some(value);
    }
    let value: f64 = word.parse().ok()?;
    // Beyond that a float cannot tell neighbours apart.
    let exact = value.fract() == 0.0 && value.abs() <= 9_007_199_254_740_992.0;
    exact.then(|| format!("{value:.0}").parse().ok())?
}
