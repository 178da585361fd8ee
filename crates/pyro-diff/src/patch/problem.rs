//! Why bytes are no patch.

/// A malformed patch, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct PatchInvalid {
    /// The line of the patch, from 1. For a hunk whose counts are wrong it is that of its header.
    pub line: usize,
    /// What is wrong there.
    pub problem: Problem,
}

/// What is wrong with a patch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// It is over [`crate::MAX_PATCH_BYTES`].
    #[error("the patch has {0} bytes, the limit is {max}", max = crate::MAX_PATCH_BYTES)]
    PatchTooLarge(usize),
    /// Nothing in it is a diff.
    #[error("there is no diff: no `diff --git` line, and no `---` line followed by a `+++` line")]
    NoDiff,
    /// It is in the format of the `apply_patch` tool.
    #[error("this is the `*** Begin Patch` format, not a unified diff")]
    ForeignFormat,
    /// It is the diff of a merge.
    #[error("combined diffs of merges cannot be applied")]
    Combined,
    /// A hunk or binary content before any file.
    #[error("there is no `---` and `+++` line before this")]
    OutsideFile,
    /// A `---` line without its second line.
    #[error("a `---` line is not followed by a `+++` line")]
    HalfHeader,
    /// A rename or copy without one of its two lines.
    #[error("one of the `from` and `to` lines of a rename or copy is missing")]
    HalfRename,
    /// Lines of one file that exclude each other.
    #[error("the lines about this file contradict each other")]
    Contradiction,
    /// A `diff --git` section that says nothing.
    #[error("no change follows for this file")]
    NoChange,
    /// No name where one belongs, or a quoted one that does not end.
    #[error("there is no readable file name")]
    NoName,
    /// Two names from which no single one follows.
    #[error("the names `{}` and `{}` differ; a rename needs `rename from` and `rename to` lines", old.escape_ascii(), new.escape_ascii())]
    NamesDiffer {
        /// The first name.
        old: Vec<u8>,
        /// The second name.
        new: Vec<u8>,
    },
    /// A path that leads out of the workspace.
    #[error("the path `{}` leaves /workspace", .0.escape_ascii())]
    PathLeaves(Vec<u8>),
    /// A path that names no file.
    #[error("the path `{}` names no file", .0.escape_ascii())]
    PathUnusable(Vec<u8>),
    /// A mode that no file or link has.
    #[error("`{}` is not the mode of a file or link", .0.escape_ascii())]
    Mode(Vec<u8>),
    /// A mode line that would turn a file into a link, or back.
    #[error("a mode line cannot turn a file into a link or back; delete it and make it anew")]
    TypeByMode,
    /// A hunk header without readable line numbers.
    #[error("a hunk header is written `@@ -10,6 +10,7 @@`")]
    HunkHeader,
    /// A hunk whose header announces no lines.
    #[error("the hunk has no lines")]
    EmptyHunk,
    /// A hunk whose header announces other than follows.
    #[error("hunk says {said} {side} lines, has {found}")]
    HunkCount {
        /// Which lines: `old` for context and removed ones, `new` for context and added ones.
        side: &'static str,
        /// The count in the header.
        said: usize,
        /// The count of lines that follow.
        found: usize,
    },
    /// A `\ No newline at end of file` that stands before other lines of the same side, or before all.
    #[error("the marker of a missing newline is not after the last line")]
    MisplacedMarker,
    /// A binary file without its content.
    #[error("the binary content is missing; make the patch with `git diff --binary`")]
    BinaryMissing,
    /// A binary patch without the ids of both contents.
    #[error("a binary patch needs an `index` line with both full ids")]
    BinaryIndex,
    /// Binary content that is not well-formed.
    #[error("the binary content is damaged")]
    BinaryDamaged,
    /// Binary content over a limit.
    #[error("the binary content is too large")]
    BinaryTooLarge,
}
