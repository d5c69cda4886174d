//! Columns as wide as their content; the flexible ones share what is left of the line.

use super::text::{shorten, width};

/// Side of a cell at which its text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Right,
}

/// A column.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    title: &'static str,
    align: Align,
    is_flexible: bool,
}

impl Column {
    pub(super) const fn fixed(title: &'static str, align: Align) -> Self {
        Self {
            title,
            align,
            is_flexible: false,
        }
    }

    pub(super) const fn flexible(title: &'static str) -> Self {
        Self {
            title,
            align: Align::Left,
            is_flexible: true,
        }
    }
}

/// Title line and rows, each with its end, at most `room` wide.
pub(super) fn grid<const N: usize>(
    columns: &[Column; N],
    rows: &[[String; N]],
    room: usize,
) -> String {
    let titles = columns.map(|column| column.title.to_owned());
    let lines = || std::iter::once(&titles).chain(rows);
    let mut widths = [0; N];
    for line in lines() {
        for (widest, cell) in widths.iter_mut().zip(line) {
            *widest = width(cell).max(*widest);
        }
    }
    squeeze(columns, &mut widths, room);
    let mut text = String::new();
    for line in lines() {
        let cells = line.iter().zip(columns).zip(widths);
        let cells = cells.map(|((cell, column), width)| {
            let cell = shorten(cell, width);
            match column.align {
                Align::Left => format!("{cell:<width$}"),
                Align::Right => format!("{cell:>width$}"),
            }
        });
        let line = cells.collect::<Vec<_>>().join(" ");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Takes columns away from the widest flexible cell until the line fits.
fn squeeze<const N: usize>(columns: &[Column; N], widths: &mut [usize; N], room: usize) {
    let gaps = N.saturating_sub(1);
    let mut excess = (widths.iter().sum::<usize>() + gaps).saturating_sub(room);
    while excess > 0 {
        let flexible = widths.iter_mut().zip(columns);
        let flexible = flexible.filter(|(width, column)| column.is_flexible && **width > 1);
        let Some((widest, _)) = flexible.max_by_key(|(width, _)| **width) else {
            return;
        };
        *widest -= 1;
        excess -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flexible_columns_give_way_until_the_line_fits() {
        let columns = [
            Column::flexible("name"),
            Column::flexible("to"),
            Column::fixed("n", Align::Right),
        ];
        let rows =
            [["abcdefghij", "xyz", "7"], ["b", "c", "1234"]].map(|row| row.map(str::to_owned));
        assert_eq!(
            grid(&columns, &rows, 15),
            "name   to     n\nabc…ij xyz    7\nb      c   1234\n"
        );
    }
}
