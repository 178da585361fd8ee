//! The difference of two texts as hunks.

use std::ops::Range;

use imara_diff::{Algorithm, Diff, InternedInput};
use memchr::{memchr, memchr_iter, memrchr};

use crate::line::lines;

/// Unchanged lines shown before and after a change.
const CONTEXT: usize = 3;

/// Unchanged lines around the difference that are compared again, so that a change which may stand at several places
/// can move to the one that reads best.
const SLACK: usize = 50;

/// How many lines of one file are compared one by one, over both sides and from the first difference to the last.
///
/// Beyond it one change takes all lines: on texts made for it the library takes time that grows faster than the lines, and
/// its recursion grows too.
const MAX_COMPARED_LINES: usize = 200_000;

/// From how many lines on a file counts as large.
const LARGE_LINES: usize = 20_000;

/// How much comparing may still be done for a whole diff, in lines of large files. A large file that finds too little
/// left is one change, like one over [`MAX_COMPARED_LINES`].
#[derive(Debug)]
pub(super) struct Effort(usize);

impl Default for Effort {
    fn default() -> Self {
        Self(10 * MAX_COMPARED_LINES)
    }
}

impl Effort {
    fn spend(&mut self, lines: usize) -> bool {
        let price = if lines < LARGE_LINES { 0 } else { lines };
        let left = self.0.checked_sub(price).filter(|_| lines <= MAX_COMPARED_LINES);
        self.0 = left.unwrap_or(self.0);
        left.is_some()
    }
}

/// The difference of two texts.
#[derive(Debug)]
pub(super) struct TextDiff<'a> {
    old: Vec<&'a [u8]>,
    new: Vec<&'a [u8]>,
    /// Lines before those in `old` and `new`. They are equal on both sides.
    skipped: usize,
    changes: Vec<Change>,
}

/// Lines that were replaced by other lines, as ranges in `old` and `new`. One of them may be empty.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Change {
    old: Range<usize>,
    new: Range<usize>,
}

impl<'a> TextDiff<'a> {
    /// Compares two texts.
    pub(super) fn new(old: &'a [u8], new: &'a [u8], effort: &mut Effort) -> Self {
        let window = Window::new(old, new);
        let old = &old[window.start..old.len() - window.after];
        let new = &new[window.start..new.len() - window.after];
        let (old, new): (Vec<_>, Vec<_>) = (lines(old).collect(), lines(new).collect());
        let is_one_sided = old.is_empty() || new.is_empty();
        let changes = if !is_one_sided && effort.spend(old.len() + new.len()) {
            compare(&old, &new)
        } else {
            replace(&old, &new)
        };
        Self {
            old,
            new,
            skipped: window.skipped,
            changes,
        }
    }

    /// How many lines are new.
    pub(super) fn insertions(&self) -> usize {
        self.changes.iter().map(|change| change.new.len()).sum()
    }

    /// How many lines are gone.
    pub(super) fn deletions(&self) -> usize {
        self.changes.iter().map(|change| change.old.len()).sum()
    }

    /// Appends all hunks.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let near = |left: &Change, right: &Change| right.old.start - left.old.end <= 2 * CONTEXT;
        for changes in self.changes.chunk_by(near) {
            self.write_hunk(out, changes);
        }
    }

    fn write_hunk(&self, out: &mut Vec<u8>, changes: &[Change]) {
        let [first, ..] = changes else { return };
        let last = &changes[changes.len() - 1];
        let before = first.old.start.min(CONTEXT);
        let after = (self.old.len() - last.old.end).min(CONTEXT);
        let old = first.old.start - before..last.old.end + after;
        let new = first.new.start - before..last.new.end + after;
        out.extend_from_slice(b"@@ -");
        self.write_range(out, &old);
        out.extend_from_slice(b" +");
        self.write_range(out, &new);
        out.extend_from_slice(b" @@\n");

        let mut position = old.start;
        for change in changes {
            write_lines(out, b' ', &self.old[position..change.old.start]);
            write_lines(out, b'-', &self.old[change.old.clone()]);
            write_lines(out, b'+', &self.new[change.new.clone()]);
            position = change.old.end;
        }
        write_lines(out, b' ', &self.old[position..old.end]);
    }

    fn write_range(&self, out: &mut Vec<u8>, range: &Range<usize>) {
        let before = self.skipped + range.start;
        let text = match range.len() {
            // An empty range is named by the line before it.
            0 => format!("{before},0"),
            1 => format!("{}", before + 1),
            length => format!("{},{length}", before + 1),
        };
        out.extend_from_slice(text.as_bytes());
    }
}

fn write_lines(out: &mut Vec<u8>, kind: u8, lines: &[&[u8]]) {
    for line in lines {
        out.push(kind);
        out.extend_from_slice(line);
        if !line.ends_with(b"\n") {
            out.extend_from_slice(b"\n\\ No newline at end of file\n");
        }
    }
}

/// The part of two texts that has all their differences, and some equal lines around them.
struct Window {
    /// The offset at which it starts, on both sides.
    start: usize,
    /// The lines before it.
    skipped: usize,
    /// The bytes after it, on both sides.
    after: usize,
}

impl Window {
    fn new(old: &[u8], new: &[u8]) -> Self {
        let equal = old.iter().zip(new).take_while(|(old, new)| old == new).count();
        let mut start = line_start(&old[..equal]);
        let (old_rest, new_rest) = (&old[start..], &new[start..]);
        let pairs = old_rest.iter().rev().zip(new_rest.iter().rev());
        let equal = pairs.take_while(|(old, new)| old == new).count();
        let tail = &old[old.len() - equal..];
        // The first equal bytes may be the end of a line that differs.
        let mut after = memchr(b'\n', tail).map_or(0, |index| tail.len() - index - 1);

        for _ in 0..SLACK.min(start) {
            start = line_start(&old[..start.saturating_sub(1)]);
        }
        for _ in 0..SLACK.min(after) {
            let tail = &old[old.len() - after..];
            after = memchr(b'\n', tail).map_or(0, |index| after - index - 1);
        }
        Self {
            start,
            skipped: memchr_iter(b'\n', &old[..start]).count(),
            after,
        }
    }
}

/// Where the last, unfinished line of `bytes` starts.
fn line_start(bytes: &[u8]) -> usize {
    memrchr(b'\n', bytes).map_or(0, |index| index + 1)
}

fn compare(old: &[&[u8]], new: &[&[u8]]) -> Vec<Change> {
    // Filled here, because the library would size its tables by a guess from the first lines.
    let mut input = InternedInput::default();
    input.update_before(old.iter().copied());
    input.update_after(new.iter().copied());
    // Histogram would read better, but takes quadratic time on texts made for it.
    let mut diff = Diff::compute(Algorithm::Myers, &input);
    diff.postprocess_lines(&input);
    let changes: Vec<Change> = diff
        .hunks()
        .map(|hunk| Change {
            old: hunk.before.start as usize..hunk.before.end as usize,
            new: hunk.after.start as usize..hunk.after.end as usize,
        })
        .collect();
    if is_complete(old, new, &changes) {
        changes
    } else {
        replace(old, new)
    }
}

/// Whether all that the changes leave out is equal: a wrong patch is worse than a long one.
fn is_complete(old: &[&[u8]], new: &[&[u8]], changes: &[Change]) -> bool {
    let (mut old_at, mut new_at) = (0, 0);
    for change in changes {
        if old.get(old_at..change.old.start) != new.get(new_at..change.new.start) {
            return false;
        }
        (old_at, new_at) = (change.old.end, change.new.end);
    }
    old.get(old_at..).is_some() && old.get(old_at..) == new.get(new_at..)
}

/// One change from the first difference to the last.
fn replace(old: &[&[u8]], new: &[&[u8]]) -> Vec<Change> {
    let before = old.iter().zip(new).take_while(|(old, new)| old == new).count();
    let pairs = old[before..].iter().rev().zip(new[before..].iter().rev());
    let after = pairs.take_while(|(old, new)| old == new).count();
    let change = Change {
        old: before..old.len() - after,
        new: before..new.len() - after,
    };
    if change.old.is_empty() && change.new.is_empty() {
        Vec::new()
    } else {
        vec![change]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hunks(old: &str, new: &str) -> String {
        let mut out = Vec::new();
        TextDiff::new(old.as_bytes(), new.as_bytes(), &mut Effort::default()).write(&mut out);
        String::from_utf8(out).unwrap()
    }

    fn numbered(count: usize) -> Vec<String> {
        (1..=count).map(|number| format!("line {number}\n")).collect()
    }

    #[test]
    fn ranges_are_counted_as_git_counts() {
        assert_eq!(hunks("", "a\n"), "@@ -0,0 +1 @@\n+a\n");
        assert_eq!(hunks("a\nb\n", ""), "@@ -1,2 +0,0 @@\n-a\n-b\n");
        assert_eq!(hunks("a\n", "b\n"), "@@ -1 +1 @@\n-a\n+b\n");
    }

    #[test]
    fn a_missing_newline_is_marked_on_its_side() {
        let marker = "\\ No newline at end of file\n";
        assert_eq!(hunks("a", "a\n"), format!("@@ -1 +1 @@\n-a\n{marker}+a\n"));
        assert_eq!(
            hunks("a\nz", "b\nz"),
            format!("@@ -1,2 +1,2 @@\n-a\n+b\n z\n{marker}")
        );
    }

    #[test]
    fn changes_share_a_hunk_if_their_contexts_touch() {
        let old = numbered(200);
        let mut new = old.clone();
        new[99] = "x\n".to_owned();
        new[106] = "y\n".to_owned();
        new[114] = "z\n".to_owned();
        let text = hunks(&old.concat(), &new.concat());
        let headers: Vec<&str> = text.lines().filter(|line| line.starts_with("@@")).collect();
        assert_eq!(headers, ["@@ -97,14 +97,14 @@", "@@ -112,7 +112,7 @@"]);
    }

    #[test]
    fn a_change_far_from_both_ends_is_numbered_from_the_top() {
        let old = numbered(1000);
        let mut new = old.clone();
        new.remove(499);
        let text = hunks(&old.concat(), &new.concat());
        assert!(text.starts_with("@@ -497,7 +497,6 @@\n line 497\n"), "{text}");
    }

    #[test]
    fn giants_are_replaced_from_the_first_difference_to_the_last() {
        let old = "a\n".repeat(MAX_COMPARED_LINES);
        let new = format!("b\n{}c\n{old}d\n", &old[..old.len() / 2]);
        let diff = TextDiff::new(old.as_bytes(), new.as_bytes(), &mut Effort::default());
        assert_eq!(diff.changes.len(), 1);
    }

    #[test]
    fn effort_is_spent_on_large_files_only() {
        let mut effort = Effort::default();
        assert!((0..1000).all(|_| effort.spend(LARGE_LINES - 1)));
        assert!((0..10).all(|_| effort.spend(MAX_COMPARED_LINES)));
        assert!(!effort.spend(LARGE_LINES));
        assert!(effort.spend(1));
    }

    #[test]
    fn a_gap_in_what_the_library_says_is_noticed() {
        let (old, new) = (vec![&b"a"[..], b"b"], vec![&b"a"[..], b"c"]);
        assert!(!is_complete(&old, &new, &[]));
        assert!(is_complete(&old, &new, &replace(&old, &new)));
        assert_eq!(replace(&old, &old), []);
    }
}
