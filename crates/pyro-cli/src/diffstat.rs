//! What changed, with a bar for each file, as `git diff --stat` shows it.

use std::borrow::Cow;

use pyro::object::{DiffEntry, WorkspaceDiff};

use crate::format;
use crate::table::escaped;
use crate::ui::Ui;

/// How wide a line may be, in characters.
const WIDTH: usize = 80;

/// The widest column of names; a longer name shifts its own line only.
const NAMES: usize = 50;

/// The lines of one path. There may be very many: each is made when it is looked at, and none is kept.
#[derive(Debug, Clone)]
struct Row {
    name: String,
    change: Change,
}

#[derive(Debug, Clone)]
enum Change {
    /// Lines that are new, and lines that are gone.
    Lines(usize, usize),
    /// Why lines are not counted.
    Uncounted(Cow<'static, str>),
}

/// Shows what a command changed. Standard output is the guest's own, so this goes to the other stream.
pub(crate) fn show(diff: &WorkspaceDiff, ui: Ui) {
    ui.warnings(&diff.warnings);
    if diff.changed {
        let mut text = String::new();
        lines(diff, ui.stderr_colours(), &mut |line| text.push_str(line));
        ui.summary(text.trim_end());
    } else {
        ui.summary("the command changed nothing in /workspace");
    }
}

/// One line for each path, and the last one for all of them; none if nothing changed.
pub(crate) fn lines(diff: &WorkspaceDiff, colours: bool, show: &mut dyn FnMut(&str)) {
    if !diff.entries.is_empty() {
        bars(&diff.entries.iter().map(row), colours, show);
        show(&format!(" {}\n", total(diff)));
    }
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
            Some("binary") | None => "Bin".into(),
            Some(reason) => format!("({reason})").into(),
        }),
        (insertions, deletions) => {
            Change::Lines(insertions.unwrap_or_default(), deletions.unwrap_or_default())
        }
    };
    Row { name, change }
}

fn bars(rows: &(impl Iterator<Item = Row> + Clone), colours: bool, show: &mut dyn FnMut(&str)) {
    let (mut names, mut digits, mut most) = (0, 0, 0);
    for Row { name, change } in rows.clone() {
        names = names.max(name.chars().count());
        digits = digits.max(change.figure().len());
        most = most.max(change.lines());
    }
    let names = names.min(NAMES);
    // A space at each side of the name, `|`, and a space at each side of the figure.
    let room = WIDTH.saturating_sub(names + digits + 5).max(10);
    for Row { name, change } in rows.clone() {
        let bar = change.bar(most, room, colours);
        let line = format!(" {name:names$} | {:>digits$} {bar}", change.figure());
        show(&format!("{}\n", line.trim_end()));
    }
}

impl Change {
    fn lines(&self) -> usize {
        match self {
            Self::Lines(insertions, deletions) => insertions.saturating_add(*deletions),
            Self::Uncounted(_) => 0,
        }
    }

    fn figure(&self) -> Cow<'static, str> {
        match self {
            Self::Lines(..) => self.lines().to_string().into(),
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

    fn text(rows: &[Row], colours: bool) -> String {
        let mut text = String::new();
        bars(&rows.iter().cloned(), colours, &mut |line| text.push_str(line));
        text
    }

    #[test]
    fn a_stat_is_one_like_gits() {
        let rows = [
            row("a.txt", Change::Lines(3, 1)),
            row("old => new.rs", Change::Lines(0, 0)),
            row("logo.png", Change::Uncounted("Bin".into())),
        ];
        assert_eq!(
            text(&rows, false),
            " a.txt         |   4 +++-\n old => new.rs |   0\n logo.png      | Bin\n"
        );
        assert!(text(&rows, true).contains("\x1b[32m+++\x1b[0m\x1b[31m-\x1b[0m"));
    }

    #[test]
    fn long_bars_are_scaled_and_keep_a_sign_for_few_lines() {
        let rows = [
            row("big", Change::Lines(100_000, 5)),
            row("small", Change::Lines(1, 1)),
            row("huge", Change::Lines(usize::MAX, usize::MAX)),
        ];
        let scaled = text(&rows[..2], false);
        for line in scaled.lines() {
            assert!(line.chars().count() <= WIDTH + 1, "{line}");
            assert!(line.contains('+') && line.ends_with('-'), "{line}");
        }
        assert!(!text(&rows, false).is_empty());
    }

    #[test]
    fn the_last_line_leaves_out_what_is_none() {
        assert_eq!(words(1, 1, 0), "1 file changed, 1 insertion(+)");
        assert_eq!(words(2, 0, 2), "2 files changed, 2 deletions(-)");
        assert_eq!(words(1, 0, 0), "1 file changed");
    }
}
