//! Changed files in, a patch in Git's format out.

mod rename;
mod section;
mod similarity;
mod text;
mod write;

use std::io;

use crate::line;
use crate::mode::Mode;

/// One side of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The state that is compared with.
    Old,
    /// The state that is looked at.
    New,
}

impl Side {
    fn other(self) -> Self {
        match self {
            Self::Old => Self::New,
            Self::New => Self::Old,
        }
    }
}

/// What a path is on one side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node {
    /// Its type and whether it is executable.
    pub mode: Mode,
    /// The length of its content, for a link that of its target, in bytes. Contents that turn out to differ from it are
    /// taken as they are.
    pub size: u64,
}

/// A path that may have changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The path, relative to the root of the tree, without `.` and `..`.
    pub path: Vec<u8>,
    /// What it was, if it was there.
    pub old: Option<Node>,
    /// What it is, if it is there.
    pub new: Option<Node>,
}

impl Change {
    fn node(&self, side: Side) -> Option<Node> {
        match side {
            Side::Old => self.old,
            Side::New => self.new,
        }
    }
}

/// Gives contents when they are needed, so that not all of them are in memory at once.
pub trait Contents {
    /// Reads the content of a file, or the target of a link: of the change with this index in the list that is compared.
    /// The same content may be asked for more than once.
    ///
    /// # Errors
    /// Whatever kept it from being read. It ends the comparison.
    fn read(&mut self, side: Side, index: usize) -> io::Result<Vec<u8>>;
}

/// How a difference is shown.
#[derive(Debug, Clone)]
pub struct DiffOptions {
    /// Whether to leave out the patch: entries and counts only.
    pub stat: bool,
    /// Whether binary files are in the patch, instead of one line that names them.
    pub binary: bool,
    /// The most text per file, in characters. A file with more is left out whole.
    pub file_characters: Option<usize>,
    /// The most text in all, in characters. Files that do not fit are left out whole; later, smaller ones may still fit.
    pub total_characters: Option<usize>,
    /// The largest file whose content is read, in bytes. Larger ones are left out, and taken for changed.
    pub max_file_bytes: u64,
}

impl Default for DiffOptions {
    fn default() -> Self {
        Self {
            stat: false,
            binary: false,
            file_characters: None,
            total_characters: None,
            max_file_bytes: crate::MAX_FILE_BYTES as u64,
        }
    }
}

/// What happened to a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// It is new.
    Added,
    /// Its content differs, and perhaps its mode.
    Modified,
    /// It is gone.
    Deleted,
    /// It had another path, and perhaps another mode and a somewhat different content.
    Renamed,
    /// It is of another type: file, link or directory.
    TypeChanged,
    /// It became executable, or ceased to be.
    ModeChanged,
}

/// Why an entry has no text in the patch that would bring about its change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Omitted {
    /// The file or its text is over a limit.
    TooLarge,
    /// The file is binary. One line names it.
    Binary,
}

impl Omitted {
    /// The word for it in results.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TooLarge => "too-large",
            Self::Binary => "binary",
        }
    }
}

/// One changed path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What happened to it.
    pub status: Status,
    /// Its path; that of the new side for a rename.
    pub path: Vec<u8>,
    /// The path on the old side, for a rename.
    pub old_path: Option<Vec<u8>>,
    /// The mode on the old side, if it was there.
    pub old_mode: Option<Mode>,
    /// The mode on the new side, if it is there.
    pub new_mode: Option<Mode>,
    /// How many lines are new. `None` where lines were not counted: binary files, directories, and files over a limit.
    pub insertions: Option<usize>,
    /// How many lines are gone. `None` as for `insertions`.
    pub deletions: Option<usize>,
    /// Where its text starts in the patch, in bytes.
    pub patch_offset: usize,
    /// The length of its text in the patch, in bytes; 0 if it has none.
    pub patch_bytes: usize,
    /// Why the patch does not bring about this change, if it does not.
    pub patch_omitted: Option<Omitted>,
}

/// How many entries there are of each kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// All entries.
    pub total: usize,
    /// Entries of [`Status::Added`].
    pub added: usize,
    /// Entries of [`Status::Modified`].
    pub modified: usize,
    /// Entries of [`Status::Deleted`].
    pub deleted: usize,
    /// Entries of [`Status::Renamed`].
    pub renamed: usize,
    /// Entries of [`Status::TypeChanged`].
    pub type_changed: usize,
    /// Entries of [`Status::ModeChanged`].
    pub mode_changed: usize,
    /// Entries that are in the patch as text, be it only as lines about names and modes.
    pub text_patched: usize,
    /// Entries whose content is binary. With those that were left out as too large and those that are in the patch as
    /// text they make up the total, unless only counts were asked for.
    pub non_text: usize,
}

/// The difference of two trees.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diff {
    /// The changed paths, in the order of the list that was compared.
    pub entries: Vec<Entry>,
    /// How many entries there are of each kind.
    pub summary: Summary,
    /// The patch. Entries point into it, and each of its bytes belongs to one of them.
    pub patch: Vec<u8>,
    /// Whether something was left out as too large.
    pub truncated: bool,
}

/// Why two trees could not be compared.
#[derive(Debug, thiserror::Error)]
pub enum DiffError {
    /// A content could not be read.
    #[error("cannot read `{}`", path.escape_ascii())]
    Read {
        /// The path of the file or link.
        path: Vec<u8>,
        /// The side on which it was read.
        side: Side,
        /// Why.
        source: io::Error,
    },
}

/// Compares two trees, given all paths that may differ between them.
///
/// Paths whose content and mode turn out equal are left out. A directory counts only where it replaced a file or was
/// replaced by one; what is in it has changes of its own. Permissions other than the execute bit are not compared.
///
/// # Errors
/// [`DiffError`] if a content could not be read.
pub fn diff(
    changes: &[Change],
    contents: &mut impl Contents,
    options: &DiffOptions,
) -> Result<Diff, DiffError> {
    let renames = rename::find(changes, contents, options.max_file_bytes)?;
    let moved_away: std::collections::HashSet<usize> = renames.values().map(|rename| rename.old).collect();
    let mut writer = write::Writer::new(options);
    for (index, change) in changes.iter().enumerate() {
        let rename = renames.get(&index).copied();
        if moved_away.contains(&index) {
            continue;
        }
        let old_index = rename.map_or(index, |rename| rename.old);
        let mut side = |side, index: usize| load(changes, contents, side, index, options.max_file_bytes);
        let old = side(Side::Old, old_index)?;
        let new = side(Side::New, index)?;
        writer.add(write::Pair {
            old_path: &changes[old_index].path,
            new_path: &change.path,
            similarity: rename.map(|rename| rename.similarity),
            old,
            new,
        });
    }
    Ok(writer.finish())
}

/// One side of a path, with what was read of it.
#[derive(Debug)]
struct Loaded {
    mode: Mode,
    /// `None` if it is too large. Empty for a directory.
    content: Option<Vec<u8>>,
}

impl Loaded {
    fn is_binary(&self) -> bool {
        self.content.as_deref().is_some_and(line::is_binary)
    }
}

fn load(
    changes: &[Change],
    contents: &mut impl Contents,
    side: Side,
    index: usize,
    max_file_bytes: u64,
) -> Result<Option<Loaded>, DiffError> {
    let Some(node) = changes[index].node(side) else {
        return Ok(None);
    };
    let content = if node.mode == Mode::Directory {
        Some(Vec::new())
    } else if node.size > max_file_bytes {
        None
    } else {
        // It may have grown since its size was taken.
        Some(read(changes, contents, side, index)?).filter(|content| content.len() as u64 <= max_file_bytes)
    };
    Ok(Some(Loaded {
        mode: node.mode,
        content,
    }))
}

fn read(
    changes: &[Change],
    contents: &mut impl Contents,
    side: Side,
    index: usize,
) -> Result<Vec<u8>, DiffError> {
    contents.read(side, index).map_err(|source| DiffError::Read {
        path: changes[index].path.clone(),
        side,
        source,
    })
}
