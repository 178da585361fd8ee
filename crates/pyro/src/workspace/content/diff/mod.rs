//! What differs from the baseline.

mod contents;
mod ignored;
mod of_command;
mod shown;

use pyro_diff::{Change, Diff, DiffOptions, Mode, Node};
use pyro_proto::file::{Changes, FileChange, FileKind, FileNode};
use pyro_proto::message::Verb;
use tokio::runtime::Handle;

use self::contents::{Compared, GuestContents, Source};
pub(in crate::workspace) use self::of_command::TreeBefore;
use crate::TreePath;
use crate::error::{Diagnosis, ErrorCode, Result};
use crate::guest::files::ChangesCall;
use crate::object::{IgnoredChanges, WorkspaceDiff};
use crate::workspace::Workspace;
use crate::workspace::content::LiveTree;

/// What the state after creation is called.
pub(super) const BASELINE: &str = "baseline";

/// How to show what differs.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct DiffRequest {
    /// Only at or below this path.
    pub path: TreePath,
    /// Whether to leave out the patch.
    pub stat: bool,
    /// Whether binary files are in the patch.
    pub binary: bool,
    /// Whether to show what Git ignores, and `.git`.
    pub include_ignored: bool,
    /// The most text per file, in characters; files with more are left out whole.
    pub file_characters: Option<usize>,
    /// The most text in all, in characters.
    pub total_characters: Option<usize>,
}

/// A comparison that came to no end on the host.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct NotCompared(pyro_diff::DiffError);

impl Diagnosis for NotCompared {
    fn code(&self) -> ErrorCode {
        ErrorCode::Internal
    }
}

/// The changes that are to be shown, and how many are not.
#[derive(Debug)]
pub(super) struct Selected {
    pub(super) changes: Vec<FileChange>,
    pub(super) ignored: IgnoredChanges,
}

impl Workspace {
    /// Compares the tree with the baseline, at the cost of what changed.
    ///
    /// # Errors
    /// `invalid-state`, `guest-lost`.
    pub async fn diff(&self, request: &DiffRequest) -> Result<WorkspaceDiff> {
        diff_of(self, request).await
    }
}

/// Compares a tree with what it began as, at the cost of what changed.
///
/// # Errors
/// `guest-lost`, and whatever keeps the guest from being there.
pub(crate) async fn diff_of(tree: &impl LiveTree, request: &DiffRequest) -> Result<WorkspaceDiff> {
    let (used, call) = tree.call(Verb::Changes).await?;
    let asked = Changes {
        path: request.path.as_bytes().to_vec().into(),
    };
    let (mut call, changes) = ChangesCall::start(call, asked).await?;
    let selected = select(&mut call, changes, request.include_ignored).await?;
    let (changes, special) = of_files(selected.changes);
    let diff = compare(call, changes, request.to_options()).await?;
    let mut shown = shown::diff(tree.id(), diff, used);
    shown.ignored = selected.ignored;
    shown.warnings.extend(shown::of_special(special));
    Ok(shown)
}

impl DiffRequest {
    fn to_options(&self) -> DiffOptions {
        DiffOptions {
            stat: self.stat,
            binary: self.binary,
            file_characters: self.file_characters,
            total_characters: self.total_characters,
            ..DiffOptions::default()
        }
    }
}

/// Leaves out what Git ignores, unless it is wanted.
pub(super) async fn select(
    call: &mut ChangesCall,
    changes: Vec<FileChange>,
    include_ignored: bool,
) -> Result<Selected> {
    let (changes, ignored) = if include_ignored {
        (changes, IgnoredChanges::default())
    } else {
        ignored::leave_out(call, changes).await?
    };
    Ok(Selected { changes, ignored })
}

/// The changes as far as Git knows such files, and how many there are that it does not know.
fn of_files(changes: Vec<FileChange>) -> (Vec<Compared>, usize) {
    let is_special = |change: &&FileChange| change.new.as_ref().is_some_and(|new| node(new).is_none());
    let special = changes.iter().filter(is_special).count();
    // Each is let go of before the next: there may be many.
    let known = changes
        .into_iter()
        .map(|change| Change {
            path: change.path.to_vec(),
            old: change.old.as_ref().and_then(node),
            new: change.new.as_ref().and_then(node),
        })
        .filter(|change| change.old.is_some() || change.new.is_some())
        .map(|change| Compared {
            change,
            old: Source::Baseline,
            new: Source::Live,
        })
        .collect();
    (known, special)
}

/// A state of a path as Git sees it; it knows no special files.
fn node(node: &FileNode) -> Option<Node> {
    let mode = match node.kind() {
        FileKind::File if node.mode & 0o100 != 0 => Mode::Executable,
        FileKind::File => Mode::File,
        FileKind::Symlink => Mode::Symlink,
        FileKind::Directory => Mode::Directory,
        FileKind::Absent | FileKind::HardLink | FileKind::Fifo | FileKind::Socket | FileKind::Device => {
            return None;
        }
    };
    Some(Node {
        mode,
        size: node.size,
    })
}

/// Compares contents, on a thread that may wait for them.
async fn compare(call: ChangesCall, compared: Vec<Compared>, options: DiffOptions) -> Result<Diff> {
    let runtime = Handle::current();
    let job = tokio::task::spawn_blocking(move || {
        let (changes, sources): (Vec<Change>, Vec<(Source, Source)>) = compared
            .into_iter()
            .map(|one| (one.change, (one.old, one.new)))
            .unzip();
        let compared = (&changes[..], &sources[..]);
        let mut contents = GuestContents::new(call, compared, runtime, options.max_file_bytes);
        let diff = pyro_diff::diff(&changes, &mut contents, &options);
        match contents.failure {
            Some(failure) => Err(failure.into()),
            None => diff.map_err(|error| NotCompared(error).into()),
        }
    });
    match job.await {
        Ok(diff) => diff,
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}
