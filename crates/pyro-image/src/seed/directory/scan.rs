//! Planning a directory: one look at every name, directory by directory.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, readlinkat};
use rustix::io::Errno;

use super::Root;
use super::handle::{is_about_host, is_gone};
use super::listing::{Found, Status, for_each_name, is_readable};
use crate::seed::draft::{Draft, metadata};
use crate::seed::git::{self, GitContext, Rules, Verdict};
use crate::seed::warning::shown;
use crate::seed::{SeedError, SeedOptions, SkipReason};
use crate::tree::{Directory, InodeId, Node, Tree};

/// How long a path may be, in bytes (`PATH_MAX`).
const PATH_MAX: usize = 4096;

/// Drafts what is in the directory `path`, which has no links.
pub(in crate::seed) fn scan(
    path: PathBuf,
    options: &SeedOptions,
    draft: &mut Draft<'_>,
) -> Result<Root, SeedError> {
    let root = Root::open(path.clone())?;
    let git = GitContext::new(path, options, &mut draft.warnings);
    let mut ahead = vec![Pending {
        path: Vec::new(),
        inode: Tree::ROOT,
        rules: Rules::of_source(&git, &mut draft.warnings),
    }];
    let mut scan = Scan {
        root: &root,
        git: &git,
        draft,
        names: HashMap::new(),
        next_content: 0,
    };
    while let Some(pending) = ahead.pop() {
        scan.read_directory(&pending, &mut ahead)?;
    }
    Ok(root)
}

/// A directory to read.
struct Pending {
    path: Vec<u8>,
    inode: InodeId,
    /// The rules of the directory above.
    rules: Rules,
}

/// The work on one directory tree.
struct Scan<'a, 'b> {
    root: &'a Root,
    git: &'a GitContext,
    draft: &'a mut Draft<'b>,
    /// Files that may have more names, by device and inode.
    names: HashMap<(u64, u64), InodeId>,
    next_content: u64,
}

/// Why a listing stops.
enum Stop {
    System(Errno),
    Seed(SeedError),
}

impl From<Errno> for Stop {
    fn from(error: Errno) -> Self {
        Self::System(error)
    }
}

impl Scan<'_, '_> {
    /// Reads a directory and puts those in it on the list.
    fn read_directory(&mut self, pending: &Pending, ahead: &mut Vec<Pending>) -> Result<(), SeedError> {
        self.draft.check_cancel()?;
        let path = &pending.path;
        let is_root = path.is_empty();
        let handle = match self.root.directory(path) {
            Ok(handle) => handle,
            Err(error) if is_root || is_about_host(error) => return Err(self.root.read_error(path, error)),
            Err(error) if is_gone(error) => return self.draft.skip(path.clone(), SkipReason::Changed),
            Err(_) => return self.draft.skip(path.clone(), SkipReason::Unreadable),
        };
        if is_root {
            let status = Status::of(&handle).map_err(|error| self.root.read_error(path, error))?;
            let described = metadata(status.mode, status.modified);
            self.draft.tree.set_metadata(Tree::ROOT, described);
        }
        let rules = pending
            .rules
            .enter(self.git, handle.as_fd(), path, &mut self.draft.warnings);
        let mut kept = self.list(handle.as_fd(), path, &rules)?;
        kept.sort_unstable_by(|(one, _), (other, _)| one.name.cmp(&other.name));
        let first = ahead.len();
        for (found, rules) in kept {
            let path = join(path, &found.name);
            if let Some(inode) = self.take(handle.as_fd(), pending.inode, &path, &found)? {
                ahead.push(Pending { path, inode, rules });
            }
        }
        ahead[first..].reverse();
        Ok(())
    }

    /// Lists what is kept of a directory, and counts what Git ignores.
    fn list(
        &mut self,
        handle: BorrowedFd<'_>,
        path: &[u8],
        rules: &Rules,
    ) -> Result<Vec<(Found, Rules)>, SeedError> {
        let mut kept = Vec::new();
        let listed = for_each_name(handle, |name| {
            let path = join(path, name);
            let status = match Status::at(handle, name) {
                Ok(status) => status,
                // Removed since the directory was read.
                Err(error) if is_gone(error) => return Ok(()),
                Err(error) if is_about_host(error) => return Err(Stop::System(error)),
                Err(_) => {
                    self.draft.charge_entry(name).map_err(Stop::Seed)?;
                    let skipped = self.draft.skip(path, SkipReason::Unreadable);
                    return skipped.map_err(Stop::Seed);
                }
            };
            match rules.judge(&path, status.is_directory()) {
                Verdict::Leave => self.count_ignored(path, &status).map_err(Stop::Seed),
                Verdict::Keep(rules) => {
                    self.draft.charge_entry(name).map_err(Stop::Seed)?;
                    let name = name.into();
                    kept.push((Found { name, status }, rules));
                    Ok(())
                }
            }
        });
        match listed {
            Ok(()) => Ok(kept),
            Err(Stop::System(error)) => Err(self.root.read_error(path, error)),
            Err(Stop::Seed(error)) => Err(error),
        }
    }

    /// Takes a file into the draft, if it is of a kind that a seed has. Returns the inode of a directory.
    fn take(
        &mut self,
        handle: BorrowedFd<'_>,
        parent: InodeId,
        path: &[u8],
        found: &Found,
    ) -> Result<Option<InodeId>, SeedError> {
        let Found { name, status } = found;
        if path.len() > PATH_MAX {
            return self.skip(path, SkipReason::PathTooLong);
        }
        if let Some(first) = self.names.get(&status.identity) {
            self.draft.tree.name(parent, name, *first);
            return Ok(None);
        }
        let node = match status.kind {
            FileType::Directory | FileType::RegularFile if !is_readable(handle, found) => {
                return self.skip(path, SkipReason::Unreadable);
            }
            FileType::Directory => Node::Directory(Directory::default()),
            FileType::RegularFile => {
                if **name == *b".git" {
                    git::warn_of_pointer(handle, path, &mut self.draft.warnings);
                }
                self.next_content += 1;
                self.draft.file(status.size, self.next_content)?
            }
            FileType::Symlink => match readlinkat(handle, &**name, Vec::new()) {
                Ok(target) => {
                    let target = target.into_bytes();
                    if **name == *b".git" {
                        let target = Path::new(OsStr::from_bytes(&target));
                        git::warn_of_target(path, target, &mut self.draft.warnings);
                    }
                    self.draft.symlink(target)?
                }
                Err(_) => return self.skip(path, SkipReason::Changed),
            },
            FileType::Socket => return self.skip(path, SkipReason::Socket),
            FileType::Fifo => return self.skip(path, SkipReason::Fifo),
            FileType::CharacterDevice | FileType::BlockDevice => {
                return self.skip(path, SkipReason::Device);
            }
            FileType::Unknown => return self.skip(path, SkipReason::Unreadable),
        };
        let described = metadata(status.mode, status.modified);
        let inode = self.draft.insert(parent, name, described, node)?;
        if status.is_directory() {
            return Ok(Some(inode));
        }
        if status.has_more_names {
            self.names.insert(status.identity, inode);
        }
        Ok(None)
    }

    fn skip(&mut self, path: &[u8], reason: SkipReason) -> Result<Option<InodeId>, SeedError> {
        self.draft.skip(path.to_vec(), reason).map(|()| None)
    }

    /// Counts the files that are, or are below, something that Git ignores. What cannot be read is not there.
    fn count_ignored(&mut self, path: Vec<u8>, status: &Status) -> Result<(), SeedError> {
        if !status.is_directory() {
            self.add_ignored(status);
            return Ok(());
        }
        let mut ahead = vec![path];
        while let Some(path) = ahead.pop() {
            self.draft.check_cancel()?;
            let Ok(handle) = self.root.directory(&path) else {
                continue;
            };
            let counted = for_each_name(&handle, |name| {
                match Status::at(handle.as_fd(), name) {
                    Ok(status) if status.is_directory() => ahead.push(join(&path, name)),
                    Ok(status) => self.add_ignored(&status),
                    Err(_) => {}
                }
                Ok::<(), Errno>(())
            });
            if let Err(error) = counted {
                let shown = shown(&path);
                let text = format!("not all files in the ignored directory `{shown}` were counted: {error}");
                self.draft.warnings.push(text);
            }
        }
        Ok(())
    }

    fn add_ignored(&mut self, status: &Status) {
        self.draft.ignored_count += 1;
        if status.kind == FileType::RegularFile {
            self.draft.ignored_bytes = self.draft.ignored_bytes.saturating_add(status.size);
        }
    }
}

fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    if directory.is_empty() {
        return name.to_vec();
    }
    [directory, name].join(&b'/')
}
