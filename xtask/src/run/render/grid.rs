//! Columns that line up and lines that fit. Pure; widths are in characters.

/// Which side of its column a text keeps to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Right,
}

/// Rows with columns as wide as their widest cell, two blanks apart.
pub(super) fn grid<const N: usize>(alignment: [Align; N], rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for ((cell, width), align) in row.iter().zip(widths).zip(alignment) {
            let padded = match align {
                Align::Left => format!("{cell:<width$}"),
                Align::Right => format!("{cell:>width$}"),
            };
            line.push_str(&padded);
            line.push_str("  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Lines with their ends: `first` before the first, `indent` before the others. A longer word stands
/// alone, uncut, so that it can be pasted. What would steer a terminal is shown as a question mark.
pub(super) fn wrap(text: &str, first: &str, indent: &str, width: usize) -> String {
    let mut wrapped = String::new();
    let mut line = first.to_owned();
    let mut is_empty = true;
    for word in text.split_whitespace() {
        let word = word.replace(char::is_control, "?");
        if !is_empty && line.chars().count() + 1 + word.chars().count() > width {
            wrapped.push_str(line.trim_end());
            wrapped.push('\n');
            indent.clone_into(&mut line);
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(&word);
        is_empty = false;
    }
    wrapped.push_str(line.trim_end());
    wrapped.push('\n');
    wrapped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["a", "100"], ["long", "2"], ["", "-"]].map(|row| row.map(str::to_owned));
        assert_eq!(
            grid([Align::Left, Align::Right], &rows),
            "a     100\nlong    2\n        -\n"
        );
    }

    #[test]
    fn words_wrap_uncut_and_steer_no_terminal() {
        assert_eq!(wrap("one two three", "- ", "  ", 9), "- one two\n  three\n");
        assert_eq!(
            wrap("a verylongword b", "", " ", 6),
            "a\n verylongword\n b\n"
        );
        assert_eq!(wrap("x\u{1b}[2J", "", "", 9), "x?[2J\n");
    }
}
