//! What to tell about a hunk that is not found.

use std::ops::Range;

use super::MAX_OFFSET;
use super::failure::{NearLine, Reason};
use super::place::stated;
use super::text::Text;
use crate::line::{without_ending, without_newline};
use crate::patch::Hunk;

/// How many lines of a hunk are compared to find similar ones.
const COMPARED_LINES: usize = 100;

/// How many pairs of lines are compared to find similar ones in a whole file; in a larger one only those near are.
const MAX_COMPARISONS: usize = 2_000_000;

/// How many lines are shown before and after the one that differs.
const SHOWN_AROUND: usize = 2;

/// The longest line that is shown, in bytes.
const SHOWN_BYTES: usize = 200;

/// Looks at a file for what a hunk may have meant.
pub(super) struct Diagnosis<'a, 'b> {
    text: &'b Text<'a>,
    ids: &'b [u32],
    /// The index of the line where the hunk should start.
    wanted: usize,
    old: Vec<&'b [u8]>,
    new: Vec<&'b [u8]>,
}

impl<'a, 'b> Diagnosis<'a, 'b> {
    pub(super) fn new(text: &'b Text<'a>, hunk: &'b Hunk, ids: &'b [u32]) -> Self {
        let old = hunk.lines().filter(|(kind, _)| kind.is_old());
        let new = hunk.lines().filter(|(kind, _)| kind.is_new());
        Self {
            text,
            ids,
            wanted: stated(hunk),
            old: old.map(|(_, line)| line).collect(),
            new: new.map(|(_, line)| line).collect(),
        }
    }

    /// Why the hunk is not found, if there is more to say than that.
    pub(super) fn reason(&self) -> Option<Reason> {
        let near = self.near();
        let line = self.wanted + 1;
        let everywhere = self.text.find(self.ids, 0..self.text.len());
        if let Some(found) = everywhere
            .into_iter()
            .min_by_key(|place| place.abs_diff(self.wanted))
        {
            // Near ones are not `NotFound`, but for a hunk that may not move.
            return (!near.contains(&found)).then_some(Reason::TooFar {
                line,
                found: found + 1,
            });
        }
        let alike = |lines: &[&[u8]], view: fn(&[u8]) -> &[u8]| {
            let found = self.text.find_alike(lines, near.clone(), self.wanted, view);
            found.map(|place| place + 1)
        };
        if let Some(line) = alike(&self.new, |line| line) {
            return Some(Reason::AlreadyThere { line });
        }
        if let Some(line) = alike(&self.old, without_newline) {
            return Some(Reason::FinalNewline { line });
        }
        if let Some(line) = alike(&self.old, without_ending) {
            let is_crlf = |line: &[u8]| line.ends_with(b"\r\n");
            let file_is_crlf = (0..self.text.len()).all(|index| is_crlf(self.text.line(index)));
            let patch_is_not = !self.old.iter().any(|line| is_crlf(line));
            return Some(if file_is_crlf && patch_is_not {
                Reason::FileHasCrLf { line }
            } else {
                Reason::LineEndings { line }
            });
        }
        alike(&self.old, <[u8]>::trim_ascii).map(|line| Reason::Blanks { line })
    }

    /// The lines around the first that differs, where most lines of the hunk are alike.
    pub(super) fn nearest(&self) -> Vec<NearLine> {
        let length = self.old.len().min(COMPARED_LINES);
        let range = if self.text.len() * length <= MAX_COMPARISONS {
            0..self.text.len()
        } else {
            self.near()
        };
        let mut best = (0, self.wanted);
        for position in range {
            let score = (0..length)
                .filter(|&index| self.is_alike(position, index))
                .count();
            let is_nearer = || position.abs_diff(self.wanted) < best.1.abs_diff(self.wanted);
            if score > best.0 || (score == best.0 && score > 0 && is_nearer()) {
                best = (score, position);
            }
        }
        let is_equal = |index: &usize| self.text.line(best.1 + index) == self.old[*index];
        let differing = (0..self.old.len())
            .find(|index| !is_equal(index))
            .unwrap_or_default();
        self.around(best.1 + differing)
    }

    /// Whether a line of the hunk is, but for blanks, where it would be with the hunk at `position`.
    fn is_alike(&self, position: usize, index: usize) -> bool {
        let wanted = self.old[index].trim_ascii();
        !wanted.is_empty() && self.text.line(position + index).trim_ascii() == wanted
    }

    fn around(&self, index: usize) -> Vec<NearLine> {
        let last = self.text.len();
        let index = index.min(last.saturating_sub(1));
        let range = index.saturating_sub(SHOWN_AROUND)..(index + SHOWN_AROUND + 1).min(last);
        let shown = |index| {
            let text = without_newline(self.text.line(index));
            NearLine {
                line: index + 1,
                text: text[..text.len().min(SHOWN_BYTES)].to_vec(),
            }
        };
        range.map(shown).collect()
    }

    fn near(&self) -> Range<usize> {
        let end = (self.wanted + MAX_OFFSET + 1).min(self.text.len());
        self.wanted.saturating_sub(MAX_OFFSET).min(end)..end
    }
}
