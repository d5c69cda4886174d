//! Text for a terminal: nothing that steers it, lines that fit.

/// True for what a terminal obeys instead of showing: controls of both sets, and marks that turn
/// the writing direction or have no width.
pub(in crate::export) fn is_unprintable(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
        )
}

/// The text with such characters written as `\u{1b}`.
pub(super) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if is_unprintable(character) {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Columns of a text without combining or wide characters: names here are ASCII.
pub(super) fn width(text: &str) -> usize {
    text.chars().count()
}

/// At most `room` columns: the middle gives way, since names differ at their ends.
pub(super) fn shorten(text: &str, room: usize) -> String {
    let length = width(text);
    if length <= room {
        return text.to_owned();
    }
    let kept = room.saturating_sub(1);
    let tail = kept / 2;
    let head = text.chars().take(kept - tail);
    let tail = text.chars().skip(length - tail);
    head.chain(['…']).chain(tail).take(room).collect()
}

/// Lines with their ends: `first` before the first, `indent` before the others. A word that is
/// longer than a line stands alone on its own, uncut, so that it can be pasted.
pub(super) fn wrap(text: &str, first: &str, indent: &str, room: usize) -> String {
    let mut wrapped = String::new();
    let mut line = first.to_owned();
    let mut has_words = false;
    for (index, paragraph) in text.lines().enumerate() {
        if index > 0 {
            flush(&mut wrapped, &mut line, indent);
            has_words = false;
        }
        for word in paragraph.split_whitespace().map(printable) {
            if has_words && width(&line) + 1 + width(&word) > room {
                flush(&mut wrapped, &mut line, indent);
                has_words = false;
            }
            if has_words {
                line.push(' ');
            }
            line.push_str(&word);
            has_words = true;
        }
    }
    flush(&mut wrapped, &mut line, indent);
    wrapped
}

fn flush(wrapped: &mut String, line: &mut String, indent: &str) {
    wrapped.push_str(line.trim_end());
    wrapped.push('\n');
    indent.clone_into(line);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_steers_the_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb\n"), "a\\u{1b}[2Jb\\u{a}");
        assert_eq!(
            printable("\u{9b}31m\u{202e}x\u{7f}"),
            "\\u{9b}31m\\u{202e}x\\u{7f}"
        );
        assert_eq!(printable("shop/wéb-0"), "shop/wéb-0");
    }

    #[test]
    fn names_keep_both_ends() {
        assert_eq!(shorten("default/web-7d9f-x2k4p", 11), "defau…x2k4p");
        assert_eq!(shorten("short", 5), "short");
        assert_eq!(shorten("longer", 1), "…");
        assert_eq!(shorten("longer", 0), "");
    }

    #[test]
    fn words_wrap_and_are_never_cut() {
        assert_eq!(wrap("one two three", "- ", "  ", 9), "- one two\n  three\n");
        assert_eq!(
            wrap("a verylongword b", "", " ", 6),
            "a\n verylongword\n b\n"
        );
        assert_eq!(wrap("do:\nthis", "- ", "  ", 20), "- do:\n  this\n");
        assert_eq!(wrap("", "- ", "  ", 20), "-\n");
    }
}
