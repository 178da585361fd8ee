//! What changed, with a bar for each file, as `git diff --stat` shows it.

use pyro::object::{DiffEntry, WorkspaceDiff};

use crate::format;
use crate::table::escaped;
use crate::ui::Ui;

/// How wide a line may be, in characters.
const WIDTH: usize = 80;

/// The widest column of names; a longer name shifts its own line only.
const NAMES: usize = 50;

/// The lines of one path.
#[derive(Debug)]
struct Row {
    name: String,
    change: Change,
}

#[derive(Debug)]
enum Change {
    /// Lines that are new, and lines that are gone.
    Lines(usize, usize),
    /// Why lines are not counted.
    Uncounted(String),
}

/// Shows what a command changed. Standard output is the guest's own, so this goes to the other stream.
pub(crate) fn show(diff: &WorkspaceDiff, ui: Ui) {
    ui.warnings(&diff.warnings);
    if diff.changed {
        ui.summary(lines(diff, ui.stderr_colours()).trim_end());
    } else {
        ui.summary("the command changed nothing in /workspace");
    }
}

/// One line for each path, and the last one for all of them; nothing if nothing changed.
pub(crate) fn lines(diff: &WorkspaceDiff, colours: bool) -> String {
    if diff.entries.is_empty() {
        return String::new();
    }
    let rows: Vec<Row> = diff.entries.iter().map(row).collect();
    format!("{} {}\n", bars(&rows, colours), total(diff))
}

/// How much changed, in words.
pub(crate) fn total(diff: &WorkspaceDiff) -> String {
    let sum = |count: fn(&DiffEntry) -> Option<usize>| diff.entries.iter().filter_map(count).sum::<usize>();
    words(
        diff.summary.total.max(diff.entries.len()),
        sum(|entry| entry.insertions),
        sum(|entry| entry.deletions),
    )
}

fn words(files: usize, insertions: usize, deletions: usize) -> String {
    let mut text = format!("{} changed", format::count(files, "file"));
    if insertions > 0 {
        text.push_str(&format!(", {}(+)", format::count(insertions, "insertion")));
    }
    if deletions > 0 {
        text.push_str(&format!(", {}(-)", format::count(deletions, "deletion")));
    }
    text
}

fn row(entry: &DiffEntry) -> Row {
    let path = escaped(&entry.path);
    let name = match &entry.old_path {
        Some(old) => format!("{} => {path}", escaped(old)),
        None => path,
    };
    let change = match (entry.insertions, entry.deletions) {
        (None, None) => Change::Uncounted(match entry.patch_omitted.as_deref() {
            Some("binary") | None => "Bin".to_owned(),
            Some(reason) => format!("({})", escaped(reason)),
        }),
        (insertions, deletions) => {
            Change::Lines(insertions.unwrap_or_default(), deletions.unwrap_or_default())
        }
    };
    Row { name, change }
}

fn bars(rows: &[Row], colours: bool) -> String {
    let names = rows.iter().map(|row| row.name.chars().count()).max();
    let names = names.unwrap_or_default().min(NAMES);
    let most = rows
        .iter()
        .map(|row| row.change.lines())
        .max()
        .unwrap_or_default();
    let digits = rows.iter().map(|row| row.change.figure().len()).max();
    let digits = digits.unwrap_or_default();
    // A space at each side of the name, `|`, and a space at each side of the figure.
    let room = WIDTH.saturating_sub(names + digits + 5).max(10);
    let mut text = String::new();
    for Row { name, change } in rows {
        let bar = change.bar(most, room, colours);
        let line = format!(" {name:names$} | {:>digits$} {bar}", change.figure());
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

impl Change {
    fn lines(&self) -> usize {
        match self {
            Self::Lines(insertions, deletions) => insertions.saturating_add(*deletions),
            Self::Uncounted(_) => 0,
        }
    }

    fn figure(&self) -> String {
        match self {
            Self::Lines(..) => self.lines().to_string(),
            Self::Uncounted(why) => why.clone(),
        }
    }

    /// As many signs as lines, or their share of the room if the longest bar does not fit into it.
    fn bar(&self, most: usize, room: usize, colours: bool) -> String {
        let Self::Lines(insertions, deletions) = *self else {
            return String::new();
        };
        let scaled = |lines: usize| match lines {
            0 => 0,
            lines if most <= room => lines,
            lines => lines.saturating_mul(room).div_ceil(most).min(room),
        };
        let plus = scaled(insertions);
        // Rounding up both could be one too many.
        let minus = scaled(deletions).min(room.saturating_sub(plus).max(usize::from(deletions > 0)));
        let painted = |text: String, colour: &str| match text.is_empty() || !colours {
            true => text,
            false => format!("\x1b[{colour}m{text}\x1b[0m"),
        };
        painted("+".repeat(plus), "32") + &painted("-".repeat(minus), "31")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, change: Change) -> Row {
        Row {
            name: name.to_owned(),
            change,
        }
    }

    #[test]
    fn a_stat_is_one_like_gits() {
        let rows = [
            row("a.txt", Change::Lines(3, 1)),
            row("old => new.rs", Change::Lines(0, 0)),
            row("logo.png", Change::Uncounted("Bin".to_owned())),
        ];
        assert_eq!(
            bars(&rows, false),
            " a.txt         |   4 +++-\n old => new.rs |   0\n logo.png      | Bin\n"
        );
        assert!(bars(&rows, true).contains("\x1b[32m+++\x1b[0m\x1b[31m-\x1b[0m"));
    }

    #[test]
    fn long_bars_are_scaled_and_keep_a_sign_for_few_lines() {
        let rows = [
            row("big", Change::Lines(100_000, 5)),
            row("small", Change::Lines(1, 1)),
            row("huge", Change::Lines(usize::MAX, usize::MAX)),
        ];
        let text = bars(&rows[..2], false);
        for line in text.lines() {
            assert!(line.chars().count() <= WIDTH + 1, "{line}");
            assert!(line.contains('+') && line.ends_with('-'), "{line}");
        }
        assert!(!bars(&rows, false).is_empty());
    }

    #[test]
    fn the_last_line_leaves_out_what_is_none() {
        assert_eq!(words(1, 1, 0), "1 file changed, 1 insertion(+)");
        assert_eq!(words(2, 0, 2), "2 files changed, 2 deletions(-)");
        assert_eq!(words(1, 0, 0), "1 file changed");
    }
}
