//! What a `put` receives, made beside the tree, where no command sees it.
//!
//! ```text
//!  /ws/stage/put-7/new   mirrors the tree: all that is to be put, with the directories on the way
//!  /ws/stage/put-7/old   what it takes the place of, by the numbers of the journal's steps
//! ```

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use bytes::Bytes;
use pyro_proto::file::{FileEntry, FileKind, PutEntry};
use pyro_proto::message::{Fault, FaultKind};
use rustix::fs::Mode;
use rustix::io::Errno;

use super::attributes::{Attributes, set};
use super::byte_path;
use super::descent::open_beneath;
use super::held::{Held, HeldFile};
use super::incoming::{Incoming, StagedFile};
use super::mirror::{Mirror, malformed, twice};
use super::outlet::failure;
use super::relief;
use super::remove::remove_all;
use super::stage;
use super::tree::Tree;
use crate::call::fault;

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
    pub(super) new: Mirror,
    /// Entries other than deletions.
    pub(super) entries: u64,
    /// The bytes of all contents.
    pub(super) bytes: u64,
    /// Whether a journal still names it.
    pub(super) is_needed: bool,
    dest: Vec<u8>,
    held: Held,
    file: Option<Incoming>,
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
            new: Mirror::new(new, tree.owner).map_err(failed)?,
            held: Held::new(&tree).map_err(failed)?,
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
        if self.notes.contains_key(&path) || self.held.has(&path) {
            return Err(twice(&path));
        }
        let Ok(kind) = FileKind::try_from(entry.kind) else {
            let problem = format!("`{}` is of an unknown kind", byte_path::shown(&path));
            return Err(malformed(&problem));
        };
        if path.is_empty() && kind != FileKind::Directory {
            return Err(fault(
                FaultKind::PathRefused,
                "`/workspace` itself can only be a directory",
            ));
        }
        relief::touched();
        let attributes = Attributes::wanted(&put, entry);
        self.make(&path, &put, entry, attributes)?;
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
        match &mut self.file {
            None => return Err(malformed("content comes without a file")),
            Some(Incoming::Staged(staged)) => staged.write(data)?,
            Some(Incoming::Compared(candidate)) => {
                if !candidate.take(data)
                    && let Some(Incoming::Compared(other)) = self.file.take()
                {
                    let staged =
                        StagedFile::make(&mut self.new, other.path, other.attributes, &other.content)?;
                    self.file = Some(Incoming::Staged(staged));
                }
            }
        }
        self.bytes += data.len() as u64;
        Ok(())
    }

    /// Takes the end of that content.
    ///
    /// # Errors
    /// A [`Fault`] if there is no file, or it cannot be completed.
    pub(super) fn end_data(&mut self) -> Result<(), Fault> {
        let staged = match self.file.take() {
            None => return Err(malformed("content ends without a file")),
            Some(Incoming::Staged(staged)) => staged,
            Some(Incoming::Compared(candidate)) => match self.held.hold(candidate) {
                None => return Ok(()),
                Some(other) => StagedFile::make(&mut self.new, other.path, other.attributes, &other.content)?,
            },
        };
        staged.complete(&self.new)
    }

    /// Stages what was held.
    fn stage_held(&mut self, path: Vec<u8>, held: &HeldFile) -> Result<(), Fault> {
        let (parent, _) = byte_path::split(&path).unwrap_or_default();
        self.new.make_missing(parent)?;
        StagedFile::make(&mut self.new, path, held.attributes, &held.content)?.complete(&self.new)
    }

    /// Stages what was there and is not any more. Nobody else may put anything from then on until the commit is done.
    ///
    /// # Errors
    /// A [`Fault`] if it cannot be staged.
    pub(super) fn stage_changed(&mut self, is_durable: bool) -> Result<(), Fault> {
        let tree = self.tree.clone();
        let changed = self.held.release_changed(&tree);
        let changed = changed.map_err(|error| failure("look at", b"", error))?;
        if changed.is_empty() {
            return Ok(());
        }
        for (path, held) in changed {
            self.stage_held(path, &held)?;
        }
        self.finish(is_durable)
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
        if !self.notes.contains_key(&dest) && !self.new.has(&dest)? {
            self.new.make_missing(&dest)?;
        }
        let absent = self
            .notes
            .iter()
            .filter(|(_, note)| note.kind == FileKind::Absent);
        let absent: Vec<Vec<u8>> = absent.map(|(path, _)| path.clone()).collect();
        for path in absent {
            // What is there goes away with it.
            for (path, held) in self.held.release_within(&path) {
                self.stage_held(path, &held)?;
            }
        }
        self.finish(is_durable)
    }

    /// Completes the directories, and writes everything to disk.
    fn finish(&mut self, is_durable: bool) -> Result<(), Fault> {
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
            synced.map_err(|error| failure("write", &self.dest, error))?;
        }
        Ok(())
    }

    fn make(
        &mut self,
        path: &[u8],
        put: &PutEntry,
        entry: &FileEntry,
        attributes: Attributes,
    ) -> Result<(), Fault> {
        let Some((parent, _)) = byte_path::split(path) else {
            // The root is there, as a mirror of which all this is made.
            return Ok(());
        };
        let kind = entry.kind();
        if kind == FileKind::Absent {
            // A directory on the way to others may be, which then has the place to itself.
            let is_directory = self.new.open(path).is_ok();
            return if !is_directory && self.new.has(path)? {
                Err(twice(path))
            } else {
                Ok(())
            };
        }
        self.new.make_missing(parent)?;
        match kind {
            FileKind::File => {
                let candidate = self.held.candidate(path, put, entry, attributes);
                self.file = Some(match candidate {
                    Some(candidate) => Incoming::Compared(candidate),
                    None => {
                        let path = path.to_vec();
                        Incoming::Staged(StagedFile::make(&mut self.new, path, attributes, b"")?)
                    }
                });
                Ok(())
            }
            FileKind::Directory => self.new.directory(path),
            FileKind::Symlink => self.new.symlink(path, &entry.target, attributes),
            FileKind::HardLink => {
                byte_path::check(&entry.target)?;
                let target = byte_path::join(&self.dest, &entry.target);
                if let Some(held) = self.held.release(&target) {
                    self.stage_held(target.clone(), &held)?;
                }
                self.new.hard_link(path, &target)
            }
            FileKind::Absent | FileKind::Fifo | FileKind::Socket | FileKind::Device => {
                let problem = format!("`{}` is of a kind that is not put", byte_path::shown(path));
                Err(malformed(&problem))
            }
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
