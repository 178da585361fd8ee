//! Why a patch does not fit, with what helps to write one that does.

/// A patch that does not fit. Nothing of it is to be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{failed} of {total} {noun} not fit", noun = noun(*.failed, *.total))]
pub struct PatchFailed {
    /// How many hunks do not fit. A file that cannot be patched at all counts with all its hunks, one without hunks as one.
    pub failed: usize,
    /// How many hunks there are, counted alike.
    pub total: usize,
    /// What does not fit, in the order of the patch.
    pub failures: Vec<Failure>,
}

fn noun(failed: usize, total: usize) -> &'static str {
    match (failed, total) {
        (1, 1) => "hunk does",
        (1, _) => "hunks does",
        (_, _) => "hunks do",
    }
}

/// A hunk that does not fit, or a file that cannot be patched at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The file, as the patch writes it.
    pub path: Vec<u8>,
    /// The number of the hunk in its file, from 1, unless the reason concerns the whole file.
    pub hunk: Option<usize>,
    /// Why.
    pub reason: Reason,
    /// The lines of the file that are most like those of the hunk, around the first that differs. They are given for the
    /// first failures only.
    pub nearest: Vec<NearLine>,
}

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NearLine {
    /// Its number, from 1.
    pub line: usize,
    /// Its text without a newline, cut if it is long.
    pub text: Vec<u8>,
}

/// Why a hunk or a file cannot be patched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// There is no such file.
    #[error("there is no such file")]
    Missing,
    /// There is something already.
    #[error("there is a file already")]
    Exists,
    /// The path is a directory.
    #[error("this is a directory")]
    Directory,
    /// The path is a link, and the patch does not say so; or the reverse.
    #[error("the patch is for a {expected}, but this is a {found}")]
    Type {
        /// What the patch is for.
        expected: &'static str,
        /// What there is.
        found: &'static str,
    },
    /// The context and removed lines are nowhere near.
    #[error("its context and removed lines are not found within {max} lines of line {line}", max = super::MAX_OFFSET)]
    NotFound {
        /// The line where they should be.
        line: usize,
    },
    /// The lines are there, but far away.
    #[error("its lines are at line {found}, too far from line {line}")]
    TooFar {
        /// The line where they should be.
        line: usize,
        /// The nearest line where they are.
        found: usize,
    },
    /// The lines are at two places, equally near.
    #[error(
        "its lines are at line {first} and at line {second}, equally near to line {line}; give more context"
    )]
    Ambiguous {
        /// The line where they should be.
        line: usize,
        /// The place before it.
        first: usize,
        /// The place after it.
        second: usize,
    },
    /// The only place is taken.
    #[error("its lines overlap with those of another hunk")]
    Overlap,
    /// A hunk without context whose line is not there.
    #[error("a hunk without context applies only at its line, and the file has {lines} lines")]
    BeyondEnd {
        /// How many lines the file has.
        lines: usize,
    },
    /// What it would make is there.
    #[error("the change is there already, at line {line}")]
    AlreadyThere {
        /// Where.
        line: usize,
    },
    /// All lines of the file end in CRLF.
    #[error(
        "the lines of the file end in CRLF, those of the patch do not; otherwise it would fit at line {line}"
    )]
    FileHasCrLf {
        /// Where it would fit.
        line: usize,
    },
    /// The lines of the patch end in CRLF.
    #[error("the line endings of file and patch differ; otherwise it would fit at line {line}")]
    LineEndings {
        /// Where it would fit.
        line: usize,
    },
    /// Only one side has a newline at the end of the file.
    #[error(
        "it would fit at line {line}, but for the newline at the end of the file: see `\\ No newline at end of file`"
    )]
    FinalNewline {
        /// Where it would fit.
        line: usize,
    },
    /// Blanks at the ends of lines differ.
    #[error("it would fit at line {line}, but for indentation or blanks at the ends of lines")]
    Blanks {
        /// Where it would fit.
        line: usize,
    },
    /// A line without newline would come to stand before another line.
    #[error("a line without a newline would not be the last of the file")]
    UnfinishedLine,
    /// A deletion that does not remove all lines.
    #[error("the file is to be deleted, but lines of it are left")]
    LinesLeft,
    /// Binary content that the patch is not made for, or does not make.
    #[error("the binary patch is made for another content")]
    BinaryMismatch,
    /// The result is over a limit.
    #[error("the result is too large")]
    TooLarge,
}
