//! The rules that hold in one directory, and what they say of the names in it.

use std::ffi::OsStr;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rustix::fs::{AtFlags, CWD, statat};

use super::ignore_file::{Links, Patterns, read_patterns};
use super::memory::Memory;
use super::work_tree::WorkTree;
use crate::seed::SeedOptions;
use crate::seed::warning::{Warnings, shown};

/// What holds for the whole seed.
#[derive(Debug)]
pub(in crate::seed) struct GitContext {
    /// The root of the seed on the host, without links.
    source: PathBuf,
    /// The patterns of the user's own file.
    pub(super) global: Option<Rc<Patterns>>,
    pub(super) memory: Memory,
    include_ignored: bool,
}

/// The rules of one directory.
#[derive(Debug, Clone)]
pub(in crate::seed) enum Rules {
    /// Everything is kept, here and below: inside `.git`, or because the caller asked for it.
    Everything,
    /// No work tree is around, but there may be some below.
    Outside,
    /// The directory is in a work tree and not ignored.
    Inside(Inside),
    /// The directory is ignored, but the index lists files in it: these are kept and nothing else.
    Listed(Rc<WorkTree>),
}

/// A place in a work tree.
#[derive(Debug, Clone)]
pub(in crate::seed) struct Inside {
    tree: Rc<WorkTree>,
    /// The innermost `.gitignore`.
    level: Option<Rc<Level>>,
}

/// The patterns of one `.gitignore`, and of those above.
#[derive(Debug)]
struct Level {
    patterns: Patterns,
    /// How much of a path in the work tree leads to its directory, in bytes, the slash included.
    strip: usize,
    above: Option<Rc<Self>>,
}

/// What becomes of a name.
#[derive(Debug)]
pub(in crate::seed) enum Verdict {
    /// It is part of the seed. If it is a directory, these rules lead to its own.
    Keep(Rules),
    /// Git ignores it.
    Leave,
}

impl GitContext {
    /// `source` is the root of the seed, without links.
    pub(in crate::seed) fn new(source: PathBuf, options: &SeedOptions, warnings: &mut Warnings) -> Self {
        let file = options
            .excludes_file
            .as_deref()
            .filter(|_| !options.include_ignored);
        let memory = Memory::new();
        let global = file.and_then(|file| {
            let label = file.display().to_string();
            read_patterns(CWD, file, Links::Follow, &label, &memory, warnings)
        });
        Self {
            source,
            global: global.map(Rc::new),
            memory,
            include_ignored: options.include_ignored,
        }
    }
}

impl Rules {
    /// The rules with which the root of a seed is entered: those of the work tree that it is the root of or lies in.
    pub(in crate::seed) fn of_source(context: &GitContext, warnings: &mut Warnings) -> Self {
        if context.include_ignored {
            return Self::Everything;
        }
        let source = &context.source;
        let Some(top) = source
            .ancestors()
            .find(|ancestor| WorkTree::is_root(CWD, ancestor))
        else {
            return Self::Outside;
        };
        let below = source
            .strip_prefix(top)
            .expect("the root is an ancestor of the source");
        if below.iter().any(|component| component == ".git") {
            return Self::Everything;
        }
        let mut prefix = below.as_os_str().as_bytes().to_vec();
        if !prefix.is_empty() {
            prefix.push(b'/');
        }
        let tree = WorkTree::open(top, (prefix, 0), context, warnings);
        let mut here = Inside {
            tree: Rc::new(tree),
            level: None,
        };
        let mut way = PathBuf::new();
        for component in below {
            here = here.with_patterns(&context.memory, CWD, &top.join(&way), &way, warnings);
            way.push(component);
            if here.ignores(way.as_os_str().as_bytes(), true) {
                warnings.push(format!(
                    "the seed is ignored in its work tree `{}`, whose rules were not applied",
                    top.display()
                ));
                return Self::Outside;
            }
        }
        Self::Inside(here)
    }

    /// The rules of the directory at `path`, counted from the root of the seed, of which `self` are those above: a
    /// work tree may begin there, and it may have a `.gitignore`.
    pub(in crate::seed) fn enter(
        &self,
        context: &GitContext,
        directory: BorrowedFd<'_>,
        path: &[u8],
        warnings: &mut Warnings,
    ) -> Self {
        if matches!(self, Self::Everything | Self::Listed(_)) {
            return self.clone();
        }
        let here = match (Self::work_tree_at(context, directory, path, warnings), self) {
            (Some(inside), _) => inside,
            (None, Self::Inside(inside)) => inside.clone(),
            (None, _) => return self.clone(),
        };
        let in_tree = here.tree.directory_path(path);
        let in_tree = Path::new(OsStr::from_bytes(&in_tree));
        Self::Inside(here.with_patterns(&context.memory, directory, Path::new(""), in_tree, warnings))
    }

    /// The work tree that begins in a directory below the root of the seed; that of the root itself is known.
    fn work_tree_at(
        context: &GitContext,
        directory: BorrowedFd<'_>,
        path: &[u8],
        warnings: &mut Warnings,
    ) -> Option<Inside> {
        // A cheap question before those that are not.
        if path.is_empty() || statat(directory, ".git", AtFlags::SYMLINK_NOFOLLOW).is_err() {
            return None;
        }
        let top = context.source.join(OsStr::from_bytes(path));
        if !WorkTree::is_root(CWD, &top) {
            return None;
        }
        let strip = path.len() + 1;
        let tree = WorkTree::open(&top, (Vec::new(), strip), context, warnings);
        Some(Inside {
            tree: Rc::new(tree),
            level: None,
        })
    }

    /// Judges a name in the directory; `path` counts from the root of the seed.
    pub(in crate::seed) fn judge(&self, path: &[u8], is_directory: bool) -> Verdict {
        match self {
            Self::Everything => Verdict::Keep(Self::Everything),
            Self::Outside => Verdict::Keep(Self::Outside),
            Self::Inside(inside) => {
                if path.ends_with(b".git") && (path.len() == 4 || path[path.len() - 5] == b'/') {
                    return Verdict::Keep(Self::Everything);
                }
                let in_tree = inside.tree.path(path);
                if inside.ignores(&in_tree, is_directory) {
                    return listed(&inside.tree, &in_tree, is_directory);
                }
                Verdict::Keep(self.clone())
            }
            Self::Listed(tree) => listed(tree, &tree.path(path), is_directory),
        }
    }
}

/// What becomes of something ignored: what the index lists is kept.
fn listed(tree: &Rc<WorkTree>, in_tree: &[u8], is_directory: bool) -> Verdict {
    if tree.tracked.contains(in_tree) {
        // A directory that is listed itself is the work tree of another repository.
        return Verdict::Keep(Rules::Outside);
    }
    if is_directory && tree.tracked.has_below(in_tree) {
        return Verdict::Keep(Rules::Listed(Rc::clone(tree)));
    }
    Verdict::Leave
}

impl Inside {
    /// Whether patterns match a path of the work tree, none of whose directories is ignored. The innermost file with a
    /// match decides, and in it the last line.
    fn ignores(&self, in_tree: &[u8], is_directory: bool) -> bool {
        let mut level = self.level.as_deref();
        while let Some(Level {
            patterns,
            strip,
            above,
        }) = level
        {
            if let Some(verdict) = patterns.verdict(&in_tree[*strip..], is_directory) {
                return verdict;
            }
            level = above.as_deref();
        }
        let general = [self.tree.exclude.as_ref(), self.tree.global.as_deref()];
        general
            .into_iter()
            .flatten()
            .find_map(|patterns| patterns.verdict(in_tree, is_directory))
            .unwrap_or_default()
    }

    /// Adds the `.gitignore` of a directory, found at `host` from `directory`, and in the work tree at `in_tree`.
    ///
    /// As in Git, it must not be a symbolic link.
    fn with_patterns(
        self,
        memory: &Memory,
        directory: BorrowedFd<'_>,
        host: &Path,
        in_tree: &Path,
        warnings: &mut Warnings,
    ) -> Self {
        let name = Path::new(".gitignore");
        let label = shown(in_tree.join(name).as_os_str().as_bytes());
        let patterns = read_patterns(
            directory,
            &host.join(name),
            Links::Refuse,
            &label,
            memory,
            warnings,
        );
        let Some(patterns) = patterns else {
            return self;
        };
        let strip = match in_tree.as_os_str().len() {
            0 => 0,
            length => length + 1,
        };
        Self {
            level: Some(Rc::new(Level {
                patterns,
                strip,
                above: self.level,
            })),
            tree: self.tree,
        }
    }
}
