//! What a `put` receives, made beside the tree, where no command sees it.
//!
//! ```text
//!  /ws/stage/put-7/new   mirrors the tree: all that is to be put, with the directories on the way
//!  /ws/stage/put-7/old   what it takes the place of, by the numbers of the journal's steps
//! ```

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use bytes::Bytes;
use pyro_proto::file::{FileEntry, FileKind, PutEntry};
use pyro_proto::message::{Fault, FaultKind};
use rustix::fs::{AtFlags, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;

use super::attributes::{Attributes, chown, set};
use super::byte_path;
use super::descent::{Descent, is_absence, open_beneath};
use super::entry::kind;
use super::node;
use super::outlet::failure;
use super::remove::remove_all;
use super::stage;
use super::tree::Tree;
use crate::call::fault;

/// The mode of directories that no entry describes.
const DIRECTORY_MODE: u32 = 0o755;

/// What is to be known of an entry when everything is put in place, beside what is staged. Files of which nothing is
/// need none.
#[derive(Debug)]
pub(super) struct Note {
    /// What is to be there.
    pub(super) kind: FileKind,
    /// The stamp that must be there; empty is any.
    pub(super) expected: Bytes,
    /// Mode and time.
    pub(super) attributes: Attributes,
    /// Whether the mode of what is there is kept instead.
    pub(super) keep_mode: bool,
}

/// What is received until the commit. Dropped, it is removed, unless a journal needs it.
#[derive(Debug)]
pub(super) struct Staging {
    /// The tree into which it is to be put.
    pub(super) tree: Arc<Tree>,
    /// The name in the stage.
    pub(super) name: String,
    /// The notes by path.
    pub(super) notes: BTreeMap<Vec<u8>, Note>,
    /// Beneath it, what is to be put mirrors the tree.
    pub(super) new: Descent,
    /// Entries other than deletions.
    pub(super) entries: u64,
    /// The bytes of all contents.
    pub(super) bytes: u64,
    /// Whether a journal still names it.
    pub(super) is_needed: bool,
    dest: Vec<u8>,
    file: Option<OpenFile>,
}

/// The file whose content is being received.
#[derive(Debug)]
struct OpenFile {
    file: File,
    path: Vec<u8>,
    attributes: Attributes,
}

impl Staging {
    /// Begins to receive what is to be put into the directory `dest`.
    ///
    /// # Errors
    /// A [`Fault`] if that is no path, or nothing can be staged.
    pub(super) fn begin(tree: Arc<Tree>, dest: &[u8]) -> Result<Self, Fault> {
        byte_path::check(dest)?;
        let failed = |error: io::Error| failure("stage what is put into", dest, error);
        let (name, new) = make_place(&tree).map_err(failed)?;
        Ok(Self {
            new: Descent::new(new).map_err(failed)?,
            tree,
            name,
            notes: BTreeMap::new(),
            entries: 0,
            bytes: 0,
            is_needed: false,
            dest: dest.to_vec(),
            file: None,
        })
    }

    /// Takes an entry; a file's content follows.
    ///
    /// # Errors
    /// A [`Fault`] if it makes no sense, or the disk is full.
    pub(super) fn entry(&mut self, put: PutEntry) -> Result<(), Fault> {
        if self.file.is_some() {
            return Err(malformed("an entry comes within a file's content"));
        }
        let Some(entry) = &put.entry else {
            return Err(malformed("an entry to put has no path"));
        };
        byte_path::check(&entry.path)?;
        let path = byte_path::join(&self.dest, &entry.path);
        byte_path::check(&path)?;
        if self.notes.contains_key(&path) {
            return Err(twice(&path));
        }
        let kind = entry.kind();
        if path.is_empty() && kind != FileKind::Directory {
            return Err(fault(
                FaultKind::PathRefused,
                "`/workspace` itself can only be a directory",
            ));
        }
        let attributes = Attributes::wanted(&put, entry);
        self.make(&path, entry, attributes)?;
        if kind != FileKind::Absent {
            self.entries += 1;
        }
        if matches!(kind, FileKind::Absent | FileKind::Directory) || put.keep_mode || !put.expected.is_empty()
        {
            let note = Note {
                kind,
                expected: put.expected,
                attributes,
                keep_mode: put.keep_mode,
            };
            self.notes.insert(path, note);
        }
        Ok(())
    }

    /// Takes more of the content of the file that was the last entry.
    ///
    /// # Errors
    /// A [`Fault`] if there is none, or the disk is full.
    pub(super) fn data(&mut self, data: &[u8]) -> Result<(), Fault> {
        let Some(open) = &mut self.file else {
            return Err(malformed("content comes without a file"));
        };
        let written = open.file.write_all(data);
        written.map_err(|error| failure("stage", &open.path, error))?;
        self.bytes += data.len() as u64;
        Ok(())
    }

    /// Takes the end of that content.
    ///
    /// # Errors
    /// A [`Fault`] if there is no file, or it cannot be completed.
    pub(super) fn end_data(&mut self) -> Result<(), Fault> {
        let Some(open) = self.file.take() else {
            return Err(malformed("content ends without a file"));
        };
        let completed = self.complete(&open);
        completed.map_err(|error| failure("stage", &open.path, error))
    }

    fn complete(&self, open: &OpenFile) -> Result<(), Errno> {
        let (uid, gid) = (
            Uid::from_raw(self.tree.owner.uid),
            Gid::from_raw(self.tree.owner.gid),
        );
        rustix::fs::fchown(&open.file, Some(uid), Some(gid))?;
        // A change of owner takes set-uid away: the mode comes after it.
        if let Some(mode) = open.attributes.mode {
            rustix::fs::fchmod(&open.file, Mode::from_raw_mode(mode))?;
        }
        open.attributes
            .times()
            .map_or(Ok(()), |times| rustix::fs::futimens(&open.file, &times))
    }

    /// Completes what was received, and writes it to disk.
    ///
    /// # Errors
    /// A [`Fault`] if it is incomplete, or cannot be written.
    pub(super) fn seal(&mut self, is_durable: bool) -> Result<(), Fault> {
        if self.file.is_some() {
            return Err(malformed("the commit comes within a file's content"));
        }
        let dest = self.dest.clone();
        if !self.notes.contains_key(&dest) && !self.is_staged(&dest)? {
            self.make_missing(&dest)?;
        }
        for (path, note) in self
            .notes
            .iter()
            .filter(|(_, note)| note.kind == FileKind::Directory)
        {
            let directory = self.new.open(path);
            let done = directory.and_then(|directory| set(directory, note.attributes));
            done.map_err(|error| failure("stage", path, error))?;
        }
        if is_durable {
            let synced = rustix::fs::syncfs(&self.tree.state);
            synced.map_err(|error| failure("write", &dest, error))?;
        }
        Ok(())
    }

    fn make(&mut self, path: &[u8], entry: &FileEntry, attributes: Attributes) -> Result<(), Fault> {
        let kind = entry.kind();
        let Some((parent, name)) = byte_path::split(path) else {
            // The root is there, as a mirror of which all this is made.
            return Ok(());
        };
        if kind == FileKind::Absent {
            // A directory on the way to others may be, which then has the place to itself.
            let is_directory = self.new.open(path).is_ok();
            return if !is_directory && self.is_staged(path)? {
                Err(twice(path))
            } else {
                Ok(())
            };
        }
        self.make_missing(parent)?;
        let failed = |error: Errno| match error {
            Errno::EXIST => twice(path),
            error => failure("stage", path, error),
        };
        match kind {
            FileKind::File => self.file = Some(self.create(path, attributes).map_err(failed)?),
            FileKind::Directory => match self.make_directory(parent, name) {
                // A directory on the way to an earlier entry; a file there would be found as the parent of it.
                Err(Errno::EXIST) if self.new.open(path).is_ok() => {}
                made => made.map_err(failed)?,
            },
            FileKind::Symlink => self.link(parent, name, entry, attributes).map_err(failed)?,
            FileKind::HardLink => self.hard_link(parent, name, &entry.target)?,
            FileKind::Absent | FileKind::Fifo | FileKind::Socket | FileKind::Device => {
                let problem = format!("`{}` is of a kind that is not put", byte_path::shown(path));
                return Err(malformed(&problem));
            }
        }
        Ok(())
    }

    fn create(&mut self, path: &[u8], attributes: Attributes) -> Result<OpenFile, Errno> {
        let (parent, name) = byte_path::split(path).unwrap_or_default();
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        let file = rustix::fs::openat(self.new.open(parent)?, name, flags, mode)?;
        Ok(OpenFile {
            file: file.into(),
            path: path.to_vec(),
            attributes,
        })
    }

    fn make_directory(&mut self, parent: &[u8], name: &[u8]) -> Result<(), Errno> {
        let parent = self.new.open(parent)?;
        rustix::fs::mkdirat(parent, name, Mode::RWXU)?;
        chown(parent, name, self.tree.owner)?;
        let mode = Mode::from_raw_mode(DIRECTORY_MODE);
        rustix::fs::chmodat(parent, name, mode, AtFlags::empty())
    }

    fn link(
        &mut self,
        parent: &[u8],
        name: &[u8],
        entry: &FileEntry,
        attributes: Attributes,
    ) -> Result<(), Errno> {
        let parent = self.new.open(parent)?;
        rustix::fs::symlinkat(&entry.target[..], parent, name)?;
        chown(parent, name, self.tree.owner)?;
        attributes.times().map_or(Ok(()), |times| {
            rustix::fs::utimensat(parent, name, &times, AtFlags::SYMLINK_NOFOLLOW)
        })
    }

    fn hard_link(&mut self, parent: &[u8], name: &[u8], target: &[u8]) -> Result<(), Fault> {
        byte_path::check(target)?;
        let target = byte_path::join(&self.dest, target);
        let path = byte_path::join(parent, name);
        let (from, file) = byte_path::split(&target).unwrap_or_default();
        let linked = self.link_file(from, file, parent, name);
        linked.map_err(|error| match error {
            Errno::EXIST => twice(&path),
            absence if is_absence(absence) => malformed(&format!(
                "`{}` is to be a name of `{}`, which is no earlier file",
                byte_path::shown(&path),
                byte_path::shown(&target)
            )),
            error => failure("stage", &path, error),
        })
    }

    fn link_file(&mut self, from: &[u8], file: &[u8], parent: &[u8], name: &[u8]) -> Result<(), Errno> {
        let from = open_beneath(self.new.base(), from)?;
        let stat = node::look(from.as_fd(), file)?;
        if stat.is_none_or(|stat| kind(&stat) != FileKind::File) {
            return Err(Errno::NOENT);
        }
        rustix::fs::linkat(from, file, self.new.open(parent)?, name, AtFlags::empty())
    }

    /// Makes the directories on the way.
    fn make_missing(&mut self, directory: &[u8]) -> Result<(), Fault> {
        match self.new.open(directory) {
            Ok(_) => return Ok(()),
            Err(Errno::NOENT) => {}
            Err(error) => return Err(no_directory(directory, error)),
        }
        for end in byte_path::ends(directory) {
            let path = &directory[..end];
            match self.new.open(path) {
                Ok(_) => continue,
                Err(Errno::NOENT) => {}
                Err(error) => return Err(no_directory(path, error)),
            }
            let (parent, name) = byte_path::split(path).unwrap_or_default();
            let made = self.make_directory(parent, name);
            made.map_err(|error| failure("stage", path, error))?;
        }
        Ok(())
    }

    fn is_staged(&mut self, path: &[u8]) -> Result<bool, Fault> {
        let (parent, name) = byte_path::split(path).unwrap_or_default();
        match self.new.open(parent).and_then(|parent| node::look(parent, name)) {
            Ok(stat) => Ok(stat.is_some()),
            Err(error) if is_absence(error) => Ok(false),
            Err(error) => Err(failure("stage", path, error)),
        }
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.is_needed {
            // What is left is removed when the machine starts again.
            drop(remove_all(self.tree.stage.as_fd(), self.name.as_bytes()));
        }
    }
}

/// Makes a directory in the stage; gives its name and the one in it for what is new.
fn make_place(tree: &Tree) -> io::Result<(String, OwnedFd)> {
    let name = loop {
        let name = stage::new_name("put");
        match rustix::fs::mkdirat(&tree.stage, &name, Mode::RWXU) {
            Ok(()) => break name,
            // It could not be removed.
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
    };
    let place = open_beneath(tree.stage.as_fd(), name.as_bytes())?;
    for part in ["new", "old"] {
        rustix::fs::mkdirat(&place, part, Mode::RWXU)?;
    }
    Ok((name, open_beneath(place.as_fd(), b"new")?))
}

fn malformed(problem: &str) -> Fault {
    fault(FaultKind::InvalidArgument, problem)
}

fn twice(path: &[u8]) -> Fault {
    malformed(&format!("`{}` is put twice", byte_path::shown(path)))
}

fn no_directory(path: &[u8], error: Errno) -> Fault {
    if is_absence(error) {
        let problem = format!(
            "`{}` is put as something else than a directory",
            byte_path::shown(path)
        );
        fault(FaultKind::PathRefused, problem)
    } else {
        failure("stage", path, error)
    }
}
