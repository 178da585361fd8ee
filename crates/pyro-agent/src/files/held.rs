//! Files of a put that are there already: held in memory while they are, and not staged.
//!
//! Most of what is pushed again is as it was. To stage a file means to make, write and remove one; to read the one that is
//! there takes a fifth of that, and nothing has to be written to the disk.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;

use bytes::Bytes;
use pyro_proto::file::{FileEntry, FileKind, PutEntry};
use rustix::fs::Stat;

use super::attributes::Attributes;
use super::byte_path;
use super::descent::Descent;
use super::entry::{kind, permissions};
use super::node;
use super::relief;
use super::same::{has_no_attributes, holds};
use super::tree::{Owner, Tree};

/// The longest file that is held, in bytes.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// What a held file takes beside its content and its path, in bytes.
const OVERHEAD_BYTES: u64 = 256;

/// The files that are held.
#[derive(Debug)]
pub(super) struct Held {
    live: Descent,
    owner: Owner,
    files: BTreeMap<Vec<u8>, HeldFile>,
    // In bytes; found out when there is something to hold.
    room: Option<u64>,
}

/// A file as it is to be put.
#[derive(Debug)]
pub(super) struct HeldFile {
    /// Its content.
    pub(super) content: Vec<u8>,
    /// Its mode and time.
    pub(super) attributes: Attributes,
    stamp: Bytes,
}

/// A file that is there and like one to be put, as far as can be told without its content.
#[derive(Debug)]
pub(super) struct Candidate {
    /// Its path.
    pub(super) path: Vec<u8>,
    /// The mode and time that it has and is to have.
    pub(super) attributes: Attributes,
    /// As much of the content as was received.
    pub(super) content: Vec<u8>,
    file: File,
    size: u64,
    stamp: Bytes,
}

impl Held {
    /// Holds nothing yet.
    ///
    /// # Errors
    /// That of duplicating a descriptor.
    pub(super) fn new(tree: &Tree) -> io::Result<Self> {
        Ok(Self {
            live: Descent::new(&tree.root)?,
            owner: tree.owner.unwrap_or_else(Owner::of_this_process),
            files: BTreeMap::new(),
            room: None,
        })
    }

    /// Whether a file with this path is held.
    pub(super) fn has(&self, path: &[u8]) -> bool {
        self.files.contains_key(path)
    }

    /// The file that is there, if it may be what is to be put.
    pub(super) fn candidate(
        &mut self,
        path: &[u8],
        put: &PutEntry,
        entry: &FileEntry,
        attributes: Attributes,
    ) -> Option<Candidate> {
        let is_plain = !put.keep_mode && put.expected.is_empty();
        if !is_plain || entry.size > MAX_FILE_BYTES {
            return None;
        }
        let (parent, name) = byte_path::split(path)?;
        let live = self.live.open(parent).ok()?;
        let found = node::look(live, name).ok()??;
        if !is_alike(&found, entry.size, attributes, self.owner) {
            return None;
        }
        if cost(path, entry.size) > *self.room.get_or_insert_with(relief::to_spare) {
            return None;
        }
        let (file, stat) = node::open_file(live, name).ok()??;
        // Of one that was changed a moment ago, a further change may not show.
        let is_candidate = is_alike(&stat, entry.size, attributes, self.owner) && !node::is_fresh(&stat);
        is_candidate.then(|| Candidate {
            path: path.to_vec(),
            attributes,
            content: Vec::new(),
            file,
            size: entry.size,
            stamp: node::stamp(&stat),
        })
    }

    /// Holds what was received if it is what is there, and gives it back otherwise.
    pub(super) fn hold(&mut self, candidate: Candidate) -> Option<Candidate> {
        let is_there =
            has_no_attributes(&candidate.file) && holds(&candidate.file, &candidate.content).unwrap_or(false);
        if !is_there {
            return Some(candidate);
        }
        let left = self.room.unwrap_or_default();
        self.room = Some(left.saturating_sub(cost(&candidate.path, candidate.size)));
        let held = HeldFile {
            content: candidate.content,
            attributes: candidate.attributes,
            stamp: candidate.stamp,
        };
        self.files.insert(candidate.path, held);
        None
    }

    /// No longer holds a file, which is to be staged.
    pub(super) fn release(&mut self, path: &[u8]) -> Option<HeldFile> {
        self.files.remove(path)
    }

    /// No longer holds what is in a directory.
    pub(super) fn release_within(&mut self, directory: &[u8]) -> Vec<(Vec<u8>, HeldFile)> {
        let start = [directory, b"/"].concat();
        let from_there = self.files.range(start.clone()..).map(|(path, _)| path);
        let within = from_there.take_while(|path| path.starts_with(&start));
        self.release_all(within.cloned().collect())
    }

    /// No longer holds what is not there any more as it was. Nobody else may put anything meanwhile.
    ///
    /// # Errors
    /// That of duplicating a descriptor.
    pub(super) fn release_changed(&mut self, tree: &Tree) -> io::Result<Vec<(Vec<u8>, HeldFile)>> {
        // By the paths as they lead now.
        let mut live = Descent::new(&tree.root)?;
        let mut is_there = |path: &[u8], held: &HeldFile| {
            let (parent, name) = byte_path::split(path).unwrap_or_default();
            let found = live.open(parent).and_then(|live| node::look(live, name));
            matches!(found, Ok(Some(stat)) if node::stamp(&stat) == held.stamp)
        };
        let changed = self.files.iter().filter(|(path, held)| !is_there(path, held));
        let changed = changed.map(|(path, _)| path.clone()).collect();
        Ok(self.release_all(changed))
    }

    fn release_all(&mut self, paths: Vec<Vec<u8>>) -> Vec<(Vec<u8>, HeldFile)> {
        let mut released = Vec::new();
        for path in paths {
            if let Some(held) = self.files.remove(&path) {
                released.push((path, held));
            }
        }
        released
    }
}

impl Candidate {
    /// Takes more of the content; `false` if it is too much to be the same.
    pub(super) fn take(&mut self, data: &[u8]) -> bool {
        self.content.extend_from_slice(data);
        self.content.len() as u64 <= self.size
    }
}

/// What a held file of this size takes, in bytes.
fn cost(path: &[u8], size: u64) -> u64 {
    path.len() as u64 + size + OVERHEAD_BYTES
}

/// Whether what is there is a file with no other name and with these attributes.
fn is_alike(stat: &Stat, size: u64, attributes: Attributes, owner: Owner) -> bool {
    kind(stat) == FileKind::File
        && stat.st_nlink == 1
        && node::size(stat) == size
        && Some(permissions(stat)) == attributes.mode
        && Some(node::modified(stat)) == attributes.modified
        && (stat.st_uid, stat.st_gid) == (owner.uid, owner.gid)
}
