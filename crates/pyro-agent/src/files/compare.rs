//! Compares the live tree with its baseline.
//!
//! What may differ is in the upper layer of the overlay, so that names are taken from there, and nothing else is looked
//! at. Of a name, the live tree says what it is and the baseline what it was: whiteouts need not be understood. Only a
//! directory that does not join with that of the same path in the lower layer, because it is opaque or was renamed, says
//! too little by its upper layer: it is compared name by name, with all that is in it (overlayfs.rst in the kernel's
//! documentation). So is everything where there is no overlay.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::iter::Peekable;
use std::os::fd::{AsFd, BorrowedFd};
use std::vec;

use bytes::Bytes;
use pyro_proto::file::{FileChange, FileKind};
use rustix::fs::{Mode, OFlags, Stat};
use rustix::io::Errno;

use super::byte_path;
use super::contents::Contents;
use super::descent::{Descent, is_absence};
use super::entry::{kind, permissions};
use super::node::{self, Name};
use super::outlet::{Stop, failure};
use super::path::MAX_PATH_BYTES;
use super::tree::Tree;

/// What a directory joins with that of the same path in the lower layer unless it has.
const APART: [&str; 2] = ["trusted.overlay.opaque", "trusted.overlay.redirect"];

/// A comparison under way.
#[derive(Debug)]
pub(super) struct Comparison<'a> {
    // Without an overlay there is none, and both trees are looked at.
    upper: Option<Descent>,
    old: Descent,
    live: Descent,
    // Only at or below this.
    within: &'a [u8],
    levels: Vec<Level>,
    path: Vec<u8>,
    contents: Contents,
}

/// What a step of a comparison came to.
#[derive(Debug)]
pub(super) enum Stride {
    /// A change was found.
    Change(FileChange),
    /// Nothing was found yet.
    Nothing,
    /// There is nothing more.
    End,
}

/// On which sides a directory is there, and whether its upper layer says all that may differ in it.
#[derive(Debug, Clone, Copy)]
struct Sides {
    old: bool,
    live: bool,
    upper: bool,
}

/// What is left to do in a directory.
#[derive(Debug)]
struct Level {
    sides: Sides,
    path_length: usize,
    names: Peekable<vec::IntoIter<Name>>,
    // Directories, by their names with a slash: so they come where their contents belong among the names.
    below: BTreeMap<Vec<u8>, Sides>,
}

/// What comes next in a directory.
enum Next {
    Name(Name),
    Directory(Vec<u8>, Sides),
}

impl<'a> Comparison<'a> {
    /// Begins to compare what is at or below `within`.
    ///
    /// # Errors
    /// [`Stop::Refused`] if the tree cannot be read.
    pub(super) fn new(tree: &Tree, within: &'a [u8]) -> Result<Self, Stop> {
        let descent =
            |base: BorrowedFd<'_>| Descent::to_look(base).map_err(|error| failure("read", b"", error));
        let mut comparison = Self {
            upper: tree
                .upper
                .as_ref()
                .map(|upper| descent(upper.as_fd()))
                .transpose()?,
            old: descent(tree.old.as_fd())?,
            live: descent(tree.root.as_fd())?,
            within,
            levels: Vec::new(),
            path: Vec::new(),
            contents: Contents::default(),
        };
        let joined = comparison.is_joined();
        let root = Sides {
            old: true,
            live: true,
            upper: joined.map_err(|error| failure("compare", b"", error))?,
        };
        comparison.enter(root)?;
        Ok(comparison)
    }

    /// Goes one step on.
    ///
    /// # Errors
    /// [`Stop::Refused`] if the tree cannot be read.
    pub(super) fn step(&mut self) -> Result<Stride, Stop> {
        let Some(level) = self.levels.last_mut() else {
            return Ok(Stride::End);
        };
        self.path.truncate(level.path_length);
        match level.next() {
            None => {
                self.levels.pop();
                Ok(Stride::Nothing)
            }
            Some(Next::Name(name)) => {
                let sides = level.sides;
                let found = self.compare(&name, sides);
                let (change, below) = found.map_err(|error| failure("compare", &self.path, error))?;
                if let (Some(below), Some(level)) = (below, self.levels.last_mut()) {
                    let mut key = name.into_vec();
                    key.push(b'/');
                    level.below.insert(key, below);
                }
                Ok(change.map_or(Stride::Nothing, Stride::Change))
            }
            Some(Next::Directory(key, sides)) => {
                byte_path::push(&mut self.path, &key[..key.len() - 1]);
                self.enter(sides)?;
                Ok(Stride::Nothing)
            }
        }
    }

    /// Begins with the directory at the path.
    fn enter(&mut self, sides: Sides) -> Result<(), Stop> {
        let names = self.names(sides);
        let names = names.map_err(|error| failure("list", &self.path, error))?;
        self.levels.push(Level {
            sides,
            path_length: self.path.len(),
            names: names.into_iter().peekable(),
            below: BTreeMap::new(),
        });
        Ok(())
    }

    fn names(&mut self, sides: Sides) -> io::Result<Vec<Name>> {
        let path = &self.path;
        if path.len() < self.within.len() {
            let rest = self.within[path.len()..].split(|byte| *byte == b'/');
            let only = rest.into_iter().find(|name| !name.is_empty());
            let only = only.unwrap_or_default();
            let says = match &mut self.upper {
                Some(upper) if sides.upper => stat(upper, path, only)?.is_some(),
                Some(_) | None => true,
            };
            return Ok(if says { vec![Name::from(only)] } else { Vec::new() });
        }
        if let Some(upper) = &mut self.upper
            && sides.upper
        {
            return names(upper, path);
        }
        let mut all = Vec::new();
        if sides.live {
            all = names(&mut self.live, path)?;
        }
        if sides.old {
            all.append(&mut names(&mut self.old, path)?);
            all.sort_unstable();
            all.dedup();
        }
        Ok(all)
    }

    /// Compares a name in the directory at the path, and moves the path on to it.
    fn compare(&mut self, name: &[u8], sides: Sides) -> io::Result<(Option<FileChange>, Option<Sides>)> {
        let directory = self.path.len();
        byte_path::push(&mut self.path, name);
        if self.path.len() > MAX_PATH_BYTES {
            return Ok((None, None));
        }
        let parent = &self.path[..directory];
        let old = if sides.old {
            stat(&mut self.old, parent, name)?
        } else {
            None
        };
        let new = if sides.live {
            stat(&mut self.live, parent, name)?
        } else {
            None
        };
        let is_directory = |side: &Option<Stat>| {
            side.as_ref()
                .is_some_and(|stat| kind(stat) == FileKind::Directory)
        };
        let (was, is) = (is_directory(&old), is_directory(&new));
        let below = if was || is {
            Some(Sides {
                old: was,
                live: is,
                upper: was && is && sides.upper && self.is_joined()?,
            })
        } else {
            None
        };
        let asked_for = byte_path::is_within(&self.path, self.within);
        let change = if asked_for && self.differ(directory, old.as_ref(), new.as_ref())? {
            Some(FileChange {
                path: Bytes::copy_from_slice(&self.path),
                old: old.as_ref().map(node::node),
                new: new.as_ref().map(node::node),
            })
        } else {
            None
        };
        Ok((change, below))
    }

    /// Whether the directory at the path is joined of the upper layer's and that of the same path in the lower layer.
    fn is_joined(&mut self) -> io::Result<bool> {
        let Some(upper) = &mut self.upper else {
            return Ok(false);
        };
        let directory = match upper.open(&self.path) {
            Ok(directory) => directory,
            Err(error) if is_absence(error) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        // Attributes are not to be had of a descriptor that is for paths only.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::openat(directory, ".", flags, Mode::empty())?;
        for attribute in APART {
            match rustix::fs::fgetxattr_query(&directory, attribute) {
                Err(Errno::NODATA | Errno::OPNOTSUPP) => {}
                Ok(_) | Err(_) => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Whether both sides of the path differ in what counts; times and owners do not.
    fn differ(&mut self, parent: usize, old: Option<&Stat>, new: Option<&Stat>) -> io::Result<bool> {
        let (old, new) = match (old, new) {
            (None, None) => return Ok(false),
            (Some(old), Some(new)) => (old, new),
            _ => return Ok(true),
        };
        if kind(old) != kind(new) {
            return Ok(true);
        }
        let same_mode = permissions(old) == permissions(new);
        Ok(match kind(old) {
            FileKind::Directory => false,
            FileKind::File => !same_mode || old.st_size != new.st_size || !self.same_content(parent)?,
            FileKind::Symlink => !self.same_target(parent)?,
            FileKind::Device => !same_mode || old.st_rdev != new.st_rdev,
            _ => !same_mode,
        })
    }

    /// A file that went away meanwhile has changed.
    fn same_content(&mut self, parent: usize) -> io::Result<bool> {
        let name = self.name(parent).to_vec();
        let old = open_file(&mut self.old, &self.path[..parent], &name)?;
        let new = open_file(&mut self.live, &self.path[..parent], &name)?;
        match (old, new) {
            (Some(old), Some(new)) => self.contents.are_same(old, new),
            _ => Ok(false),
        }
    }

    fn same_target(&mut self, parent: usize) -> io::Result<bool> {
        let name = self.name(parent).to_vec();
        let parent = &self.path[..parent];
        let old = node::target(self.old.open(parent)?, &name);
        let new = self.live.open(parent).and_then(|live| node::target(live, &name));
        Ok(matches!((old, new), (Ok(old), Ok(new)) if old == new))
    }

    fn name(&self, parent: usize) -> &[u8] {
        let name = &self.path[parent..];
        name.strip_prefix(b"/").unwrap_or(name)
    }
}

impl Level {
    fn next(&mut self) -> Option<Next> {
        let directory = self.below.first_entry();
        let comes_first = match (&directory, self.names.peek()) {
            (Some(directory), Some(name)) => directory.key().as_slice() < &**name,
            (Some(_), None) => true,
            (None, _) => false,
        };
        match directory {
            Some(directory) if comes_first => {
                let (key, sides) = directory.remove_entry();
                Some(Next::Directory(key, sides))
            }
            _ => self.names.next().map(Next::Name),
        }
    }
}

fn stat(side: &mut Descent, directory: &[u8], name: &[u8]) -> io::Result<Option<Stat>> {
    match side.open(directory) {
        Ok(directory) => node::look(directory, name).map_err(Into::into),
        Err(error) if is_absence(error) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn names(side: &mut Descent, directory: &[u8]) -> io::Result<Vec<Name>> {
    match side.open(directory) {
        Ok(directory) => node::names(directory),
        Err(error) if is_absence(error) => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

fn open_file(side: &mut Descent, directory: &[u8], name: &[u8]) -> io::Result<Option<File>> {
    match side.open(directory) {
        Ok(directory) => Ok(node::open_file(directory, name)?.map(|(file, _)| file)),
        Err(error) if is_absence(error) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
