//! The part of a patch about one file.

use std::borrow::Cow;

use super::failure::{Failure, Reason};
use super::place::apply_hunks;
use super::tree::{Current, Tree};
use super::{AppliedFile, MAX_DIAGNOSES, MAX_RESULT_BYTES, PatchStatus, PlacedHunk};
use crate::MAX_FILE_BYTES;
use crate::blob::{BlobId, NO_BLOB, blob_id};
use crate::delta::{self, DeltaError};
use crate::mode::Mode;
use crate::patch::{Action, BinaryBody, BinaryChange, Body, FilePatch, Hunk};

/// Applies part after part, within bounds for all of them.
#[derive(Debug)]
pub(super) struct Applier {
    bytes_left: usize,
    diagnoses: usize,
}

impl Default for Applier {
    fn default() -> Self {
        Self {
            bytes_left: MAX_RESULT_BYTES,
            diagnoses: MAX_DIAGNOSES,
        }
    }
}

/// A new content, if it changes, and where hunks applied.
type Made = (Option<Vec<u8>>, Vec<PlacedHunk>);

impl Applier {
    pub(super) fn apply<'a>(
        &mut self,
        file: &'a FilePatch,
        tree: &mut Tree<'a>,
    ) -> Result<AppliedFile, Vec<Failure>> {
        let whole = |reason| vec![failure(file, reason)];
        let action = effective_action(file, tree);
        let old_path = file.old_path.as_deref().unwrap_or_default();
        let new_path = file.path();
        let before = match action {
            Action::Create => Ok(new_file(file)),
            Action::Modify => tree.now(old_path),
            Action::Delete => tree.departing(old_path),
            // The parts about other files before this one do not count.
            Action::Rename | Action::Copy => tree.original(old_path),
        };
        let before = before.map_err(whole)?;
        check_type(file, action, before.mode).map_err(whole)?;
        if matches!(action, Action::Create | Action::Rename | Action::Copy) {
            tree.check_free(new_path).map_err(whole)?;
        }

        let (content, hunks) = self.make(file, action, &before)?;
        let after = Current {
            mode: file.new_mode.unwrap_or(before.mode),
            content: content.map_or(before.content, Cow::Owned),
            permissions_of: before.permissions_of.filter(|_| file.new_mode.is_none()),
        };
        self.charge(&after).map_err(whole)?;
        match action {
            Action::Delete if !after.content.is_empty() => return Err(whole(Reason::LinesLeft)),
            Action::Delete => tree.depart(old_path),
            Action::Modify => tree.replace(new_path, after),
            Action::Create | Action::Copy => tree.make(new_path, after),
            Action::Rename => {
                tree.depart(old_path);
                tree.make(new_path, after);
            }
        }
        Ok(AppliedFile {
            path: new_path.to_vec(),
            old_path: matches!(action, Action::Rename | Action::Copy).then(|| old_path.to_vec()),
            status: match action {
                Action::Create | Action::Copy => PatchStatus::Added,
                Action::Modify => PatchStatus::Modified,
                Action::Delete => PatchStatus::Deleted,
                Action::Rename => PatchStatus::Renamed,
            },
            hunks,
        })
    }

    fn make(&mut self, file: &FilePatch, action: Action, before: &Current<'_>) -> Result<Made, Vec<Failure>> {
        match &file.body {
            Body::Same => Ok((None, Vec::new())),
            Body::Binary(binary) => {
                let is_present = (action != Action::Create, action != Action::Delete);
                let content = apply_binary(binary, &before.content, is_present);
                content
                    .map(|content| (Some(content), Vec::new()))
                    .map_err(|reason| vec![failure(file, reason)])
            }
            Body::Text(hunks) => {
                let made = match whole_file(hunks, action) {
                    Some(hunks) => apply_hunks(&before.content, &hunks, &mut self.diagnoses),
                    None => apply_hunks(&before.content, hunks, &mut self.diagnoses),
                };
                let (content, hunks) = made.map_err(|failures| {
                    let failures = failures.into_iter();
                    let one = |failed: super::place::HunkFailure| Failure {
                        path: file.path().to_vec(),
                        hunk: Some(failed.hunk),
                        reason: failed.reason,
                        nearest: failed.nearest,
                    };
                    failures.map(one).collect::<Vec<_>>()
                })?;
                Ok((Some(content), hunks))
            }
        }
    }

    /// Counts a result against the limits.
    fn charge(&mut self, after: &Current<'_>) -> Result<(), Reason> {
        let size = after.content.len();
        let left = self
            .bytes_left
            .checked_sub(size)
            .filter(|_| size <= MAX_FILE_BYTES);
        self.bytes_left = left.ok_or(Reason::TooLarge)?;
        Ok(())
    }
}

fn failure(file: &FilePatch, reason: Reason) -> Failure {
    Failure {
        path: file.path().to_vec(),
        hunk: None,
        reason,
        nearest: Vec::new(),
    }
}

/// A change of a file that does not exist makes it, if it has no old lines: models write new files so.
fn effective_action(file: &FilePatch, tree: &Tree<'_>) -> Action {
    let is_insertion =
        matches!(&file.body, Body::Text(hunks) if hunks.iter().all(|hunk| hunk.old_count == 0));
    if file.action == Action::Modify && is_insertion && tree.now(file.path()).is_err() {
        Action::Create
    } else {
        file.action
    }
}

/// The hunk of a new file at the line at which it belongs, if it states another.
fn whole_file(hunks: &[Hunk], action: Action) -> Option<Vec<Hunk>> {
    match hunks {
        [hunk] if action == Action::Create && hunk.old_count == 0 && hunk.old_start != 0 => {
            let mut hunk = hunk.clone();
            hunk.old_start = 0;
            Some(vec![hunk])
        }
        _ => None,
    }
}

fn new_file(file: &FilePatch) -> Current<'static> {
    Current {
        mode: file.new_mode.unwrap_or(Mode::File),
        content: Cow::Borrowed(&[]),
        permissions_of: None,
    }
}

/// Refuses to patch the target of a link as if it were text, and the reverse.
fn check_type(file: &FilePatch, action: Action, mode: Mode) -> Result<(), Reason> {
    let word = |is_link: bool| if is_link { "link" } else { "file" };
    let is_link = match mode {
        Mode::Directory => return Err(Reason::Directory),
        Mode::Symlink => true,
        Mode::File | Mode::Executable => false,
    };
    // A rename that changes nothing does not say what it moves.
    let is_silent = matches!(file.body, Body::Same) && file.old_mode.is_none() && file.new_mode.is_none();
    if action == Action::Create || is_silent {
        return Ok(());
    }
    let told = file.old_mode.or(file.new_mode).unwrap_or(Mode::File);
    let expects_link = told == Mode::Symlink;
    if expects_link == is_link {
        Ok(())
    } else {
        Err(Reason::Type {
            expected: word(expects_link),
            found: word(is_link),
        })
    }
}

fn apply_binary(binary: &BinaryBody, before: &[u8], is_present: (bool, bool)) -> Result<Vec<u8>, Reason> {
    let is_id = |id: BlobId, content: &[u8], is_present: bool| {
        let expected = if is_present { blob_id(content) } else { NO_BLOB };
        id.eq_ignore_ascii_case(&expected)
    };
    if !is_id(binary.old_id, before, is_present.0) {
        return Err(Reason::BinaryMismatch);
    }
    let after = match &binary.change {
        BinaryChange::Literal(content) => Ok(content.clone()),
        BinaryChange::Delta(delta) => delta::apply(before, delta, MAX_FILE_BYTES),
    };
    let after = after.map_err(|error| match error {
        DeltaError::Malformed => Reason::BinaryMismatch,
        DeltaError::TooLarge => Reason::TooLarge,
    })?;
    if is_id(binary.new_id, &after, is_present.1) {
        Ok(after)
    } else {
        Err(Reason::BinaryMismatch)
    }
}
