//! Columns for people.

/// Rows of text, aligned when shown. Columns are two spaces apart; the last one is not padded.
#[derive(Debug)]
pub(crate) struct Table<const COLUMNS: usize> {
    rows: Vec<[String; COLUMNS]>,
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    /// A table without a heading.
    pub(crate) fn new() -> Self {
        Self { rows: Vec::new() }
    }

    /// A table with a heading.
    pub(crate) fn with_heading(heading: [&str; COLUMNS]) -> Self {
        Self {
            rows: vec![heading.map(str::to_owned)],
        }
    }

    /// Adds a row.
    pub(crate) fn push(&mut self, row: [String; COLUMNS]) {
        self.rows.push(row.map(|cell| one_line(&cell)));
    }

    /// All lines, each with its line end.
    pub(crate) fn render(&self) -> String {
        let mut widths = [0; COLUMNS];
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (width, cell) in widths.iter().zip(row) {
                line.push_str(&format!("{cell:width$}  "));
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// A cell's text without control characters: it may come from a registry, and must not steer the terminal.
pub(crate) fn one_line(text: &str) -> String {
    text.chars()
        .map(|character| if character.is_control() { ' ' } else { character })
        .collect()
}

/// The name of a file of a guest, in which nothing steers the terminal, and no two lines look like one name.
pub(crate) fn escaped(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for character in name.chars() {
        if character.is_control() || turns_text_around(character) {
            text.extend(character.escape_default());
        } else {
            text.push(character);
        }
    }
    text
}

/// Whether a character makes others appear elsewhere than they are: the line separators and direction marks of Unicode.
fn turns_text_around(character: char) -> bool {
    matches!(
        character,
        '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_lines_have_no_trailing_space() {
        let mut table = Table::with_heading(["NAME", "SIZE", "NOTE"]);
        table.push(["debian:12".to_owned(), "1 B".to_owned(), String::new()]);
        table.push(["é".to_owned(), "-".to_owned(), "a\x1b[31m\nb".to_owned()]);
        assert_eq!(
            table.render(),
            "NAME       SIZE  NOTE\ndebian:12  1 B\né          -     a [31m b\n"
        );
    }

    #[test]
    fn names_are_shown_so_that_they_stay_on_their_line() {
        assert_eq!(escaped(" a\nb\x1b[2Jé"), " a\\nb\\u{1b}[2Jé");
        assert_eq!(escaped("gpj.\u{202e}exe"), "gpj.\\u{202e}exe");
    }
}
