//! What commands print for people and for other programs: tables, counts and files on standard output.

use std::io::{self, ErrorKind, Write as _};

use anyhow::{Context as _, Result};
use indicatif::HumanCount;
use serde_json::Value;

/// Longest value in a table, in characters.
const LONGEST_CELL: usize = 48;

/// Prints to standard output. `false`: whoever read it has gone (`paystats loads | head`), and there is no reason to go on.
pub(super) fn print(text: impl AsRef<[u8]>) -> Result<bool> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_ref()).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error).context("writing to standard output"),
    }
}

/// A table that is printed in pieces. Columns only grow, so most pieces line up.
pub(super) struct Table<const COLUMNS: usize> {
    widths: [usize; COLUMNS],
    header: Option<[&'static str; COLUMNS]>,
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    pub(super) fn new(header: [&'static str; COLUMNS]) -> Self {
        Self { widths: header.map(str::len), header: Some(header) }
    }

    /// The rows as text, below the header if they are the first ones. The last column may have any length.
    pub(super) fn lines(&mut self, rows: &[[String; COLUMNS]]) -> String {
        let header = self.header.take().map(|header| header.map(str::to_owned));
        let cells: Vec<[String; COLUMNS]> = header
            .into_iter()
            .chain(rows.iter().map(|row| {
                let last = visible(&row[COLUMNS - 1]);
                let mut row = row.each_ref().map(|cell| shortened(&visible(cell)));
                row[COLUMNS - 1] = last;
                row
            }))
            .collect();
        for row in &cells {
            for (width, cell) in self.widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let line = |row: &[String; COLUMNS]| {
            let padded = row.iter().zip(self.widths).map(|(cell, width)| format!("{cell:width$}"));
            format!("{}\n", padded.collect::<Vec<_>>().join("  ").trim_end())
        };
        cells.iter().map(line).collect()
    }
}

/// A value of the API as a cell: null is empty.
pub(super) fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// With control characters escaped: a row of a file must not speak to the terminal.
pub(super) fn visible(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut shown, character| {
        match character.is_control() {
            true => shown.extend(character.escape_default()),
            false => shown.push(character),
        }
        shown
    })
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(LONGEST_CELL) {
        Some(_) => text.chars().take(LONGEST_CELL - 1).chain(['…']).collect(),
        None => text.to_owned(),
    }
}

/// Counts under each other: `  inserted   12`.
pub(super) fn counts<'a>(counts: impl IntoIterator<Item = (&'a str, u64)>) -> String {
    let counts: Vec<_> = counts.into_iter().collect();
    let width = counts.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    let line = |(name, count)| format!("  {name:width$}  {}", HumanCount(count));
    counts.into_iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_lines_up_and_shows_control_characters() {
        let mut table = Table::new(["line", "value", "reason"]);
        let row = |cells: [&str; 3]| cells.map(str::to_owned);
        let text = table.lines(&[row(["2", "a\nb\u{1b}[2J", "no number"]), row(["1000", "", ""])]);
        assert_eq!(text, "line  value          reason\n2     a\\nb\\u{1b}[2J  no number\n1000\n");
        assert_eq!(table.lines(&[row(["3", "x", "y"])]), "3     x              y\n");
        assert_eq!(table.lines(&[]), "");
    }

    #[test]
    fn long_cells_are_cut_except_the_last() {
        let long = "ñ".repeat(60);
        let text = Table::new(["a", "b"]).lines(&[[long.clone(), long.clone()]]);
        assert!(text.ends_with(&format!("{}…  {long}\n", "ñ".repeat(47))), "{text}");
    }

    #[test]
    fn counts_line_up() {
        assert_eq!(counts([("read", 1_200), ("taken back", 3)]), "  read        1,200\n  taken back  3");
    }
}
