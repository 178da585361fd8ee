//! What a seed will be, decided before any content is moved.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use super::archive::{self, Archive};
use super::directory::{self, Root};
use super::draft::Draft;
use super::{SeedError, SeedIgnores, SeedLimits, SeedReader, SeedSkipped};
use crate::tree::{InodeId, Node, Tree};

/// Where a seed comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeedMode {
    /// A directory of the host.
    Directory,
    /// A tar archive, plain or compressed.
    TarArchive,
}

impl fmt::Display for SeedMode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Directory => "directory",
            Self::TarArchive => "tar_archive",
        })
    }
}

/// How a seed is read.
///
/// If a directory lies in a Git work tree, and in each work tree inside it, what Git ignores is left out and counted:
/// by `.gitignore` files from the root of the work tree down, by `info/exclude`, and by `excludes_file`. Files that the
/// index lists come along though rules match them, as in Git; `.git` always comes along whole. A directory that the
/// work tree around it ignores is taken as it is. Only these files are read: no configuration, and nothing of the seed
/// is ever executed. Rules that Git has in its configuration (`core.excludesFile`, `core.ignoreCase`) are not seen.
#[derive(Debug, Clone, Default)]
pub struct SeedOptions {
    /// Takes along what Git ignores.
    pub include_ignored: bool,
    /// The user's own ignore file, by Git's default `$XDG_CONFIG_HOME/git/ignore`. It need not exist.
    pub excludes_file: Option<PathBuf>,
    /// What the seed may amount to.
    pub limits: SeedLimits,
}

/// How far the work is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeedProgress {
    /// The seed is being planned; there is no telling how much is ahead.
    Found {
        /// Entries found so far.
        entries: u64,
        /// The bytes that their contents have.
        bytes: u64,
    },
    /// The image is being written.
    Written {
        /// Bytes of contents written so far.
        bytes_done: u64,
        /// The bytes of all contents.
        bytes_total: u64,
    },
}

/// What a plan says of its seed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeedSummary {
    /// How many names the seed has, without its root.
    pub entry_count: u64,
    /// Contents of files together, holes included, in bytes. A file with several names counts once.
    pub content_bytes: u64,
    /// How many files, directories not counted, are left out because Git ignores them.
    pub ignored_count: u64,
    /// The contents of those files, in bytes.
    pub ignored_bytes: u64,
    /// What is left out for its kind or because it cannot be read.
    pub skipped: Vec<SeedSkipped>,
    /// What else the user should know: a `.git` file that leads out of the seed, a line of an ignore file that cannot
    /// be understood. At most some fifty.
    pub warnings: Vec<String>,
}

/// A seed with everything but its contents, which stay in its source.
#[derive(Debug)]
pub struct SeedPlan {
    pub(super) tree: Tree,
    /// The root of the seed.
    pub(super) top: InodeId,
    pub(super) origin: Origin,
    pub(super) summary: SeedSummary,
}

/// What the contents are read from.
#[derive(Debug)]
pub(super) enum Origin {
    Directory(Root),
    Archive(Archive),
}

impl SeedPlan {
    /// Plans the seed at `path`: a directory, or a tar archive that is plain or compressed by gzip or zstd, told by
    /// its content. `path` itself may be a symbolic link.
    ///
    /// An archive is read to its end, so that all of it is judged. Its members are taken as they stand, whatever Git
    /// would ignore. Of members with the same name the last counts. Directories that members imply have mode 0755 and
    /// the time 1970-01-01; so has the root if the archive has no member for it.
    ///
    /// `progress` hears [`SeedProgress::Found`] every thousand entries or so; `cancel` ends the work soon after it is
    /// set.
    ///
    /// # Errors
    ///
    /// A source that cannot be read, is larger than the limits, or is an archive that cannot be accepted.
    pub fn new(
        path: &Path,
        options: &SeedOptions,
        progress: &mut dyn FnMut(SeedProgress),
        cancel: &AtomicBool,
    ) -> Result<Self, SeedError> {
        let read_error = |source| SeedError::Read {
            path: path.to_path_buf(),
            source,
        };
        let metadata = fs::metadata(path).map_err(read_error)?;
        let mut draft = Draft::new(options.limits, progress, cancel);
        let origin = if metadata.is_dir() {
            let path = fs::canonicalize(path).map_err(read_error)?;
            Origin::Directory(directory::scan(path, options, &mut draft)?)
        } else if metadata.is_file() {
            Origin::Archive(archive::scan(path, &mut draft)?)
        } else {
            let path = path.to_path_buf();
            return Err(SeedError::Source { path });
        };
        let (tree, summary) = draft.finish();
        Ok(Self {
            tree,
            top: Tree::ROOT,
            origin,
            summary,
        })
    }

    /// Where the seed comes from.
    pub fn mode(&self) -> SeedMode {
        match self.origin {
            Origin::Directory(_) => SeedMode::Directory,
            Origin::Archive(_) => SeedMode::TarArchive,
        }
    }

    /// What the seed amounts to and what is left out of it.
    pub fn summary(&self) -> &SeedSummary {
        &self.summary
    }

    /// Whether a path, counted from the root of the seed, is a directory of it; `None` if the seed has nothing there.
    pub fn is_directory(&self, path: &[u8]) -> Option<bool> {
        let mut here = self.top;
        for name in path.split(|&byte| byte == b'/').filter(|name| !name.is_empty()) {
            here = self.tree.find(here, name)?;
        }
        Some(matches!(self.tree.inode(here).node, Node::Directory(_)))
    }

    /// Tells of any path whether Git would have it left out; `options` are those that the plan was made with.
    pub fn ignores(&self, options: &SeedOptions) -> SeedIgnores<'_> {
        SeedIgnores::new(self, options)
    }

    /// Has an image of the seed hold all of it in one directory of its root. The names that are read stay as they are.
    ///
    /// # Errors
    ///
    /// More files than an image can have.
    pub fn nest(&mut self, name: &str) -> Result<(), SeedError> {
        let limit = u64::from(u32::MAX);
        self.top = self
            .tree
            .nest(name.as_bytes())
            .map_err(|_| SeedError::TooManyEntries { limit })?;
        Ok(())
    }

    /// Starts to read the entries, the root first. `cancel` ends the reading of contents.
    pub fn read<'a>(&'a self, cancel: &'a AtomicBool) -> SeedReader<'a> {
        SeedReader::new(self, cancel)
    }
}

/// The contents of the files in a tree, each once, in bytes.
pub(super) fn content_bytes(tree: &Tree, survey: &crate::tree::Survey) -> u64 {
    let size = |file: &crate::tree::Surveyed| match tree.inode(file.inode).node {
        Node::File { size, .. } => size,
        Node::Directory(_) | Node::Symlink { .. } | Node::Device { .. } | Node::Fifo => 0,
    };
    survey.files.iter().map(size).sum()
}
