//! A Git work tree: where its repository is, what it lists, and rules that are in no `.gitignore`.

use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rustix::fs::{AtFlags, CWD, FileType, statat};

use super::GitContext;
use super::ignore_file::{Links, Patterns, is_absent, read_file, read_patterns};
use super::index::Tracked;
use super::memory::Taken;
use super::pointer::{self, POINTER_MAX};
use crate::seed::warning::Warnings;

/// One work tree that a seed is in, or has in it.
#[derive(Debug)]
pub(in crate::seed) struct WorkTree {
    /// The files that the index lists.
    pub(super) tracked: Tracked,
    _memory: Option<Taken>,
    /// `info/exclude` of the repository.
    pub(super) exclude: Option<Patterns>,
    /// The user's own patterns.
    pub(super) global: Option<Rc<Patterns>>,
    /// What leads from the root of the work tree to the root of the seed, with a slash at its end.
    prefix: Vec<u8>,
    /// How much of a path in the seed leads to the root of the work tree, in bytes, the slash included.
    strip: usize,
}

impl WorkTree {
    /// Whether a directory is the root of a work tree: by a `.git` that is a repository, or a file that names one.
    pub(super) fn is_root(directory: impl AsFd, path: &Path) -> bool {
        let git = path.join(".git");
        match statat(&directory, &git, AtFlags::empty()).map(|stat| FileType::from_raw_mode(stat.st_mode)) {
            // By these two Git tells a repository from a directory that is called so.
            Ok(FileType::Directory) => ["HEAD", "objects"]
                .into_iter()
                .all(|name| statat(&directory, git.join(name), AtFlags::SYMLINK_NOFOLLOW).is_ok()),
            Ok(FileType::RegularFile) => pointed(path).is_some(),
            _ => false,
        }
    }

    /// Reads what the repository of the work tree at `top` has to say. `prefix` and `strip` lead from paths in the seed
    /// to those in the work tree. What cannot be read is left out with a warning.
    pub(super) fn open(
        top: &Path,
        (prefix, strip): (Vec<u8>, usize),
        context: &GitContext,
        warnings: &mut Warnings,
    ) -> Self {
        let repository = pointed(top).unwrap_or_else(|| top.join(".git"));
        let exclude = common(&repository).join("info/exclude");
        let label = exclude.display().to_string();
        let exclude = read_patterns(CWD, &exclude, Links::Follow, &label, &context.memory, warnings);
        let tracked = Tracked::read(&repository, context.memory.left()).unwrap_or_else(|error| {
            if !is_absent(&error) {
                warnings.push(format!(
                    "the index in `{}` was not understood ({error}): files that Git tracks although rules ignore them \
                     are left out",
                    repository.display()
                ));
            }
            Tracked::default()
        });
        Self {
            _memory: context.memory.take(tracked.held()),
            tracked,
            exclude,
            global: context.global.clone(),
            prefix,
            strip,
        }
    }

    /// The path in the work tree of something in the seed and below the root of both.
    pub(super) fn path(&self, in_seed: &[u8]) -> Vec<u8> {
        [&self.prefix, &in_seed[self.strip..]].concat()
    }

    /// The path in the work tree of a directory of the seed, which may be the root of either.
    pub(super) fn directory_path(&self, in_seed: &[u8]) -> Vec<u8> {
        let below = in_seed.get(self.strip..).unwrap_or_default();
        let mut path = [&self.prefix, below].concat();
        if path.ends_with(b"/") {
            path.pop();
        }
        path
    }
}

/// The repository that the `.git` file of a work tree names.
fn pointed(top: &Path) -> Option<PathBuf> {
    let content = read_file(CWD, &top.join(".git"), Links::Follow, POINTER_MAX).ok()?;
    Some(top.join(pointer::target(&content)?))
}

/// The repository that a linked work tree shares with others (`gitrepository-layout(5)`, `commondir`).
fn common(repository: &Path) -> PathBuf {
    let content = read_file(CWD, &repository.join("commondir"), Links::Follow, POINTER_MAX);
    match content {
        Ok(content) => repository.join(OsStr::from_bytes(content.trim_ascii())),
        Err(_) => repository.to_path_buf(),
    }
}
