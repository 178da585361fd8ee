//! A file as lines, and the places of lines in it.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::ops::Range;

use crate::line::lines;
use crate::patch::Hunk;

/// A file, cut into lines.
pub(super) struct Text<'a> {
    content: &'a [u8],
    /// Where each line starts, and where the last ends. Files are below 4 GiB.
    starts: Vec<u32>,
    /// What each line is, by [`LineIds`].
    ids: Vec<u32>,
}

/// Numbers for all different lines that hunks look for.
pub(super) struct LineIds<'a>(HashMap<&'a [u8], u32>);

/// The number of a line that no hunk looks for.
const UNKNOWN: u32 = 0;

impl<'a> LineIds<'a> {
    pub(super) fn new(hunks: &'a [Hunk]) -> Self {
        let mut ids = HashMap::new();
        for (_, line) in hunks
            .iter()
            .flat_map(Hunk::lines)
            .filter(|(kind, _)| kind.is_old())
        {
            let next = u32::try_from(ids.len() + 1).unwrap_or(UNKNOWN);
            ids.entry(line).or_insert(next);
        }
        Self(ids)
    }

    fn of(&self, line: &[u8]) -> u32 {
        self.0.get(line).copied().unwrap_or(UNKNOWN)
    }

    /// The old lines of a hunk.
    pub(super) fn old_lines(&self, hunk: &Hunk) -> Vec<u32> {
        let old = hunk.lines().filter(|(kind, _)| kind.is_old());
        old.map(|(_, line)| self.of(line)).collect()
    }
}

impl<'a> Text<'a> {
    pub(super) fn new(content: &'a [u8], line_ids: &LineIds<'_>) -> Self {
        let mut starts = vec![0];
        let mut ids = Vec::new();
        let mut offset = 0;
        for line in lines(content) {
            offset += line.len();
            starts.push(u32::try_from(offset).unwrap_or(u32::MAX));
            ids.push(line_ids.of(line));
        }
        Self { content, starts, ids }
    }

    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    /// A line with its newline, empty beyond the end.
    pub(super) fn line(&self, index: usize) -> &'a [u8] {
        self.bytes(index..index + 1)
    }

    /// Lines with their newlines, as far as there are any.
    pub(super) fn bytes(&self, range: Range<usize>) -> &'a [u8] {
        let offset = |index: usize| self.starts[index.min(self.len())] as usize;
        self.content
            .get(offset(range.start)..offset(range.end))
            .unwrap_or_default()
    }

    /// Whether `needle` is at `position`.
    pub(super) fn has(&self, needle: &[u32], position: usize) -> bool {
        self.ids.get(position..position + needle.len()) == Some(needle)
    }

    /// All places in `within` where `needle` starts.
    pub(super) fn find(&self, needle: &[u32], within: Range<usize>) -> Vec<usize> {
        let end = (within.end.saturating_sub(1) + needle.len()).min(self.len());
        let start = within.start.min(end);
        find_all(&self.ids[start..end], needle, start)
    }

    /// The place in `within`, nearest to `wanted`, where lines are equal to `needle` in the part that `view` shows.
    pub(super) fn find_alike(
        &self,
        needle: &[&[u8]],
        within: Range<usize>,
        wanted: usize,
        view: impl Fn(&[u8]) -> &[u8],
    ) -> Option<usize> {
        let hasher = RandomState::new();
        let hash = |line: &[u8]| hasher.hash_one(view(line));
        let end = (within.end.saturating_sub(1) + needle.len()).min(self.len());
        let start = within.start.min(end);
        let haystack: Vec<u64> = (start..end).map(|index| hash(self.line(index))).collect();
        let needle: Vec<u64> = needle.iter().map(|line| hash(line)).collect();
        let found = find_all(&haystack, &needle, start);
        found.into_iter().min_by_key(|place| place.abs_diff(wanted))
    }
}

/// All places of `needle` in `haystack`, in linear time (Knuth, Morris and Pratt), counted from `base`.
fn find_all<T: PartialEq>(haystack: &[T], needle: &[T], base: usize) -> Vec<usize> {
    if needle.is_empty() {
        return Vec::new();
    }
    // How much of the needle is still matched after a mismatch behind its first `index + 1` items.
    let mut borders = vec![0; needle.len()];
    let mut matched = 0;
    for index in 1..needle.len() {
        while matched > 0 && needle[index] != needle[matched] {
            matched = borders[matched - 1];
        }
        matched += usize::from(needle[index] == needle[matched]);
        borders[index] = matched;
    }
    let mut places = Vec::new();
    matched = 0;
    for (index, item) in haystack.iter().enumerate() {
        while matched > 0 && (matched == needle.len() || *item != needle[matched]) {
            matched = borders[matched - 1];
        }
        matched += usize::from(*item == needle[matched]);
        if matched == needle.len() {
            places.push(base + index + 1 - matched);
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_places_are_found_overlapping_ones_too() {
        assert_eq!(find_all(b"aabaabaab", b"aabaab", 10), [10, 13]);
        assert_eq!(find_all(b"aaaa", b"aa", 0), [0, 1, 2]);
        assert_eq!(find_all(b"abcabd", b"abd", 0), [3]);
        assert_eq!(find_all(b"aaaa", b"a", 0), [0, 1, 2, 3]);
        assert_eq!(find_all(b"ab", b"abc", 0), []);
        assert_eq!(find_all(b"ab", b"", 0), []);
    }
}
