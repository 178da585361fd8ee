//! What there is to say of an export besides that it is there.

use crate::object::{ArtifactType, SkippedFile};

/// The most files left out that are named; there is no end to those that a guest can have.
pub(super) const MAX_SKIPPED: usize = 10_000;

/// The most files that are named in warnings.
const MAX_CHANGED: u64 = 20;

/// What was left out, and what went not quite right. There is no end to what a guest can have of both.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// What was left out, relative to what was asked for.
    pub(super) skipped: Vec<SkippedFile>,
    unnamed: u64,
    changed: Vec<String>,
    changed_count: u64,
}

impl Notes {
    /// Something was left out.
    pub(super) fn skip(&mut self, path: &[u8], kind: ArtifactType) {
        if self.skipped.len() < MAX_SKIPPED {
            self.skipped.push(SkippedFile::new(path, kind.as_str()));
        } else {
            self.unnamed += 1;
        }
    }

    /// A file had another length in the end than was said.
    pub(super) fn change(&mut self, path: &[u8]) {
        self.changed_count += 1;
        if self.changed_count <= MAX_CHANGED {
            let shown = String::from_utf8_lossy(path);
            self.changed.push(crate::argument::excerpt(&shown));
        }
    }

    /// What the user should know.
    pub(super) fn warnings(&self) -> Vec<String> {
        let changed = self.changed.iter();
        let mut warnings: Vec<String> = changed
            .map(|path| format!("`{path}` changed while it was exported"))
            .collect();
        if self.changed_count > MAX_CHANGED {
            let more = self.changed_count - MAX_CHANGED;
            warnings.push(format!("{more} more files changed while they were exported"));
        }
        if self.unnamed > 0 {
            warnings.push(format!("{} more special files were left out", self.unnamed));
        }
        warnings
    }
}
