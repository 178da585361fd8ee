//! Where hunks apply, and what they make of a file.

use super::diagnose::Diagnosis;
use super::failure::{NearLine, Reason};
use super::text::{LineIds, Text};
use super::{MAX_OFFSET, PlacedHunk};
use crate::patch::{Hunk, LineKind};

/// A hunk that does not fit.
#[derive(Debug)]
pub(super) struct HunkFailure {
    /// Its number in the file, from 1.
    pub(super) hunk: usize,
    pub(super) reason: Reason,
    pub(super) nearest: Vec<NearLine>,
}

/// Applies all hunks of a file. `diagnoses` is how many failures may still be looked into.
pub(super) fn apply_hunks(
    content: &[u8],
    hunks: &[Hunk],
    diagnoses: &mut usize,
) -> Result<(Vec<u8>, Vec<PlacedHunk>), Vec<HunkFailure>> {
    let line_ids = LineIds::new(hunks);
    let text = Text::new(content, &line_ids);
    let mut ordered: Vec<(usize, &Hunk)> = (1..).zip(hunks).collect();
    ordered.sort_by_key(|(_, hunk)| hunk.old_start);

    let mut placer = Placer::new(&text);
    let mut placed = Vec::new();
    let mut failures = Vec::new();
    for (number, hunk) in ordered {
        let needle = line_ids.old_lines(hunk);
        match placer.place(hunk, &needle) {
            Ok(position) => placed.push((number, hunk, position)),
            Err(reason) => failures.push(diagnose(&text, hunk, &needle, (number, reason), diagnoses)),
        }
    }
    if failures.is_empty() {
        let made = assemble(&text, &placed);
        if let Ok(content) = made {
            let mut hunks: Vec<PlacedHunk> = placed.into_iter().map(report).collect();
            hunks.sort_by_key(|placed| placed.hunk);
            return Ok((content, hunks));
        }
        failures.extend(made.err());
    }
    failures.sort_by_key(|failure| failure.hunk);
    Err(failures)
}

fn diagnose(
    text: &Text<'_>,
    hunk: &Hunk,
    needle: &[u32],
    (number, reason): (usize, Reason),
    diagnoses: &mut usize,
) -> HunkFailure {
    let mut failure = HunkFailure {
        hunk: number,
        reason,
        nearest: Vec::new(),
    };
    if let Some(left) = diagnoses.checked_sub(1) {
        *diagnoses = left;
        let diagnosis = Diagnosis::new(text, hunk, needle);
        if let Reason::NotFound { .. } = failure.reason {
            failure.reason = diagnosis.reason().unwrap_or(failure.reason);
        }
        failure.nearest = diagnosis.nearest();
    }
    failure
}

fn report((number, hunk, position): (usize, &Hunk, usize)) -> PlacedHunk {
    // An insertion is named by the line before it, all others by their first line.
    let line = if hunk.old_count == 0 {
        position
    } else {
        position + 1
    };
    let signed = |value: usize| i64::try_from(value).unwrap_or(i64::MAX);
    PlacedHunk {
        hunk: number,
        line,
        offset: signed(line) - signed(hunk.old_start),
    }
}

/// The index of the first old line that a hunk states, or of the line before which it inserts.
pub(super) fn stated(hunk: &Hunk) -> usize {
    match hunk.old_count {
        0 => hunk.old_start,
        _ => hunk.old_start.saturating_sub(1),
    }
}

/// Finds places for hunks in the order of their lines.
struct Placer<'a, 'b> {
    text: &'b Text<'a>,
    /// How far the last hunk was from its stated line.
    drift: i64,
    /// The end of the last line that a hunk covers, and of the last that one changes.
    covered: usize,
    changed: usize,
}

impl<'a, 'b> Placer<'a, 'b> {
    fn new(text: &'b Text<'a>) -> Self {
        Self {
            text,
            drift: 0,
            covered: 0,
            changed: 0,
        }
    }

    fn place(&mut self, hunk: &Hunk, needle: &[u32]) -> Result<usize, Reason> {
        let kinds = || hunk.lines().map(|(kind, _)| kind);
        let is_context = |kind: &LineKind| *kind == LineKind::Context;
        let before = kinds().take_while(is_context).count();
        // Hunks may share context, but none may cover what another changes.
        let floor = self.changed.max(self.covered.saturating_sub(before));
        let position = if kinds().any(|kind| is_context(&kind)) {
            self.search(hunk, needle, floor)?
        } else {
            self.stay(hunk, needle, floor)?
        };
        let last_change = kinds().filter(|kind| kind.is_old()).count() - trailing_context(kinds());
        self.covered = position + needle.len();
        self.changed = position + last_change;
        let signed = |value: usize| i64::try_from(value).unwrap_or(i64::MAX);
        self.drift = signed(position) - signed(stated(hunk));
        Ok(position)
    }

    /// The stated place, for a hunk whose place nothing else tells.
    fn stay(&self, hunk: &Hunk, needle: &[u32], floor: usize) -> Result<usize, Reason> {
        let position = stated(hunk);
        let lines = self.text.len();
        if position + needle.len() > lines {
            return Err(Reason::BeyondEnd { lines });
        }
        if position < floor {
            return Err(Reason::Overlap);
        }
        if self.text.has(needle, position) {
            Ok(position)
        } else {
            Err(Reason::NotFound { line: position + 1 })
        }
    }

    /// The place nearest to the stated one, moved as the hunk before was.
    fn search(&self, hunk: &Hunk, needle: &[u32], floor: usize) -> Result<usize, Reason> {
        let drift = isize::try_from(self.drift).unwrap_or_default();
        let wanted = stated(hunk).saturating_add_signed(drift);
        if wanted >= floor && self.text.has(needle, wanted) {
            return Ok(wanted);
        }
        let within = wanted.saturating_sub(MAX_OFFSET)..wanted + MAX_OFFSET + 1;
        let all = self.text.find(needle, within);
        let line = wanted + 1;
        let free = all.iter().copied().filter(|&position| position >= floor);
        let mut near: Vec<usize> = free.collect();
        near.sort_by_key(|position| position.abs_diff(wanted));
        match near[..] {
            [] if all.is_empty() => Err(Reason::NotFound { line }),
            [] => Err(Reason::Overlap),
            [first, second, ..] if first.abs_diff(wanted) == second.abs_diff(wanted) => {
                Err(Reason::Ambiguous {
                    line,
                    first: first.min(second) + 1,
                    second: first.max(second) + 1,
                })
            }
            [first, ..] => Ok(first),
        }
    }
}

/// How many lines of context a hunk ends with.
fn trailing_context(kinds: impl Iterator<Item = LineKind>) -> usize {
    kinds.fold(
        0,
        |count, kind| if kind == LineKind::Context { count + 1 } else { 0 },
    )
}

/// Puts the new content together from the lines between hunks and those of the hunks.
fn assemble(text: &Text<'_>, placed: &[(usize, &Hunk, usize)]) -> Result<Vec<u8>, HunkFailure> {
    let mut content = Vec::new();
    // The lines of the file that are in the content, or replaced.
    let mut done = 0;
    for &(number, hunk, position) in placed {
        let unfinished = || HunkFailure {
            hunk: number,
            reason: Reason::UnfinishedLine,
            nearest: Vec::new(),
        };
        let mut at = position;
        for (kind, line) in hunk.lines() {
            if kind == LineKind::Context {
                at += 1;
                continue;
            }
            append(&mut content, text.bytes(done.min(at)..at)).ok_or_else(unfinished)?;
            if kind == LineKind::Removed {
                at += 1;
            } else {
                append(&mut content, line).ok_or_else(unfinished)?;
            }
            done = at;
        }
    }
    let unfinished = || HunkFailure {
        hunk: placed.last().map_or(1, |placed| placed.0),
        reason: Reason::UnfinishedLine,
        nearest: Vec::new(),
    };
    append(&mut content, text.bytes(done..text.len())).ok_or_else(unfinished)?;
    Ok(content)
}

/// Appends lines, unless the last line there is has no newline.
fn append(content: &mut Vec<u8>, lines: &[u8]) -> Option<()> {
    if lines.is_empty() {
        return Some(());
    }
    if content.last().is_some_and(|&byte| byte != b'\n') {
        return None;
    }
    content.extend_from_slice(lines);
    Some(())
}
