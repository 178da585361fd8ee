//! Entries, counts and the patch, put together file by file.

use super::section::{Half, Section, write_binary_summary};
use super::text::{Effort, TextDiff};
use super::{Diff, DiffOptions, Entry, Loaded, Omitted, Status};
use crate::mode::Mode;

/// Both sides of one file.
#[derive(Debug)]
pub(super) struct Pair<'a> {
    pub(super) old_path: &'a [u8],
    pub(super) new_path: &'a [u8],
    /// In percent, for a file that moved.
    pub(super) similarity: Option<u8>,
    pub(super) old: Option<Loaded>,
    pub(super) new: Option<Loaded>,
}

impl Pair<'_> {
    /// What happened, or `None` if nothing did.
    fn status(&self) -> Option<Status> {
        match (&self.old, &self.new) {
            (None, None) => None,
            (None, Some(only)) if only.mode == Mode::Directory => None,
            (Some(only), None) if only.mode == Mode::Directory => None,
            (None, Some(_)) => Some(Status::Added),
            (Some(_), None) => Some(Status::Deleted),
            (Some(_), Some(_)) if self.similarity.is_some() => Some(Status::Renamed),
            (Some(old), Some(new)) if !old.mode.is_same_type(new.mode) => Some(Status::TypeChanged),
            // What was not read is taken for changed.
            (Some(old), Some(new)) if old.content.is_none() || old.content != new.content => {
                Some(Status::Modified)
            }
            (Some(old), Some(new)) if old.mode != new.mode => Some(Status::ModeChanged),
            (Some(_), Some(_)) => None,
        }
    }

    fn halves(&self) -> impl Iterator<Item = &Loaded> {
        self.old.iter().chain(&self.new)
    }

    /// The sections that bring the change about: two for a change of type, as Git does it, without directories.
    fn sections(&self, status: Status) -> Vec<Section<'_>> {
        let whole = Section {
            old_path: self.old_path,
            new_path: self.new_path,
            old: half(self.old.as_ref()),
            new: half(self.new.as_ref()),
            similarity: self.similarity,
        };
        if status != Status::TypeChanged {
            return vec![whole];
        }
        let removal = Section { new: None, ..whole };
        let creation = Section { old: None, ..whole };
        let has_content = |section: &Section<'_>| section.old.is_some() || section.new.is_some();
        [removal, creation].into_iter().filter(has_content).collect()
    }
}

fn half(side: Option<&Loaded>) -> Option<Half<'_>> {
    let side = side.filter(|side| side.mode != Mode::Directory)?;
    Some(Half {
        mode: side.mode,
        content: side.content.as_deref().unwrap_or_default(),
    })
}

/// Builds a [`Diff`].
#[derive(Debug)]
pub(super) struct Writer<'a> {
    options: &'a DiffOptions,
    diff: Diff,
    characters: usize,
    effort: Effort,
    /// Whether the patch ends with a section without a body.
    ends_in_header: bool,
}

impl<'a> Writer<'a> {
    pub(super) fn new(options: &'a DiffOptions) -> Self {
        Self {
            options,
            diff: Diff::default(),
            characters: 0,
            effort: Effort::default(),
            ends_in_header: false,
        }
    }

    pub(super) fn finish(self) -> Diff {
        self.diff
    }

    /// Adds a file, unless it did not change.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "its contents are not to outlive the call"
    )]
    pub(super) fn add(&mut self, pair: Pair<'_>) {
        let Some(status) = pair.status() else { return };
        let mut entry = Entry {
            status,
            path: pair.new_path.to_vec(),
            old_path: pair.similarity.map(|_| pair.old_path.to_vec()),
            old_mode: pair.old.as_ref().map(|old| old.mode),
            new_mode: pair.new.as_ref().map(|new| new.mode),
            insertions: None,
            deletions: None,
            patch_offset: self.diff.patch.len(),
            patch_bytes: 0,
            patch_omitted: None,
        };
        let sections = pair.sections(status);
        let is_binary = pair.halves().any(Loaded::is_binary);
        if pair.halves().any(|half| half.content.is_none()) {
            entry.patch_omitted = Some(Omitted::TooLarge);
        } else if is_binary {
            self.add_binary(&mut entry, &sections);
        } else {
            self.add_text(&mut entry, &sections);
        }
        if entry.patch_omitted == Some(Omitted::TooLarge) && !self.options.stat {
            self.diff.truncated = true;
        }
        self.count(&entry, is_binary);
        self.diff.entries.push(entry);
    }

    fn add_binary(&mut self, entry: &mut Entry, sections: &[Section<'_>]) {
        if self.options.stat {
            return;
        }
        let mut text = Vec::new();
        if self.options.binary {
            for section in sections {
                section.write_binary(&mut text);
            }
            let is_header = sections.last().is_some_and(Section::is_header_only);
            self.append(entry, &text, is_header);
            return;
        }
        let [first, ..] = sections else { return };
        let last = sections[sections.len() - 1];
        // Directly under a section without a body it would be taken for its body.
        if self.ends_in_header {
            text.push(b'\n');
        }
        write_binary_summary(
            &mut text,
            first.old.map(|_| first.old_path),
            last.new.map(|_| last.new_path),
        );
        if self.append(entry, &text, false) {
            entry.patch_omitted = Some(Omitted::Binary);
        }
    }

    fn add_text(&mut self, entry: &mut Entry, sections: &[Section<'_>]) {
        let diffs: Vec<TextDiff<'_>> = sections
            .iter()
            .map(|section| section.text_diff(&mut self.effort))
            .collect();
        entry.insertions = Some(diffs.iter().map(TextDiff::insertions).sum());
        entry.deletions = Some(diffs.iter().map(TextDiff::deletions).sum());
        if self.options.stat {
            return;
        }
        let mut text = Vec::new();
        for (section, diff) in sections.iter().zip(&diffs) {
            section.write_text(&mut text, diff);
        }
        let is_header = sections.last().is_some_and(Section::is_header_only);
        self.append(entry, &text, is_header);
    }

    /// Appends the text of an entry, or says in the entry that it is too large.
    fn append(&mut self, entry: &mut Entry, text: &[u8], ends_in_header: bool) -> bool {
        let characters = characters(text);
        let total = self.characters + characters;
        let over = |limit: Option<usize>, value: usize| limit.is_some_and(|limit| value > limit);
        if over(self.options.file_characters, characters) || over(self.options.total_characters, total) {
            entry.patch_omitted = Some(Omitted::TooLarge);
            return false;
        }
        self.characters = total;
        self.ends_in_header = ends_in_header;
        entry.patch_bytes = text.len();
        self.diff.patch.extend_from_slice(text);
        true
    }

    fn count(&mut self, entry: &Entry, is_binary: bool) {
        let summary = &mut self.diff.summary;
        summary.total += 1;
        *match entry.status {
            Status::Added => &mut summary.added,
            Status::Modified => &mut summary.modified,
            Status::Deleted => &mut summary.deleted,
            Status::Renamed => &mut summary.renamed,
            Status::TypeChanged => &mut summary.type_changed,
            Status::ModeChanged => &mut summary.mode_changed,
        } += 1;
        if is_binary {
            summary.non_text += 1;
        } else if entry.patch_bytes > 0 {
            summary.text_patched += 1;
        }
    }
}

/// The characters of a text: bytes that do not continue a character of UTF-8. Each byte that is not UTF-8 is shown as
/// about one character too.
fn characters(text: &[u8]) -> usize {
    text.iter().filter(|&&byte| byte & 0xc0 != 0x80).count()
}
