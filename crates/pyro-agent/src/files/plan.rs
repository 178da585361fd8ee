//! What is to be done to put what is staged into the tree as it is now.

use std::collections::HashSet;
use std::io;
use std::os::fd::AsFd;

use pyro_proto::file::FileKind;
use pyro_proto::message::{Fault, FaultKind};
use rustix::fs::{AtFlags, Mode, Stat};
use rustix::io::Errno;

use super::attributes::Attributes;
use super::byte_path;
use super::descent::{Descent, is_absence};
use super::entry::{kind, permissions};
use super::fetch::current_stamp;
use super::node;
use super::outlet::failure;
use super::same::{At, is_same};
use super::staging::{Note, Staging};
use super::steps::{Action, Changed, Step, Work};
use crate::call::fault;

/// What is to be done, and what it comes to.
#[derive(Debug)]
pub(super) struct Plan {
    /// What is to be done.
    pub(super) work: Work,
    /// Deletions of what is there.
    pub(super) deleted: u64,
}

/// Holds the paths to the stamps that they are to have.
///
/// # Errors
/// [`FaultKind::Conflict`] that names the first path with another one.
pub(super) fn check_stamps(staging: &Staging) -> Result<(), Fault> {
    let expecting = staging.notes.iter().filter(|(_, note)| !note.expected.is_empty());
    for (path, note) in expecting {
        check_stamp(staging, path, note)?;
    }
    Ok(())
}

/// Holds one path to the stamp that it is to have.
///
/// # Errors
/// As [`check_stamps`].
pub(super) fn check_stamp(staging: &Staging, path: &[u8], note: &Note) -> Result<(), Fault> {
    let stamp = current_stamp(staging.tree.root.as_fd(), path);
    let stamp = stamp.map_err(|error| failure("look at", path, error))?;
    if stamp == note.expected {
        return Ok(());
    }
    let problem = format!("`{}` was changed meanwhile", byte_path::shown(path));
    Err(fault(FaultKind::Conflict, problem))
}

/// Plans, and gives the staged files that keep modes these.
///
/// # Errors
/// A [`Fault`] if something cannot be put where it is to be.
pub(super) fn plan(staging: &mut Staging) -> Result<Plan, Fault> {
    let failed = |error: io::Error| failure("look at", b"", error);
    let live = Descent::new(&staging.tree.root).map_err(failed)?;
    let mut planner = Planner {
        staging,
        live,
        replaced: HashSet::new(),
        noted: HashSet::new(),
        plan: Plan {
            work: Work::default(),
            deleted: 0,
        },
    };
    planner.merge()?;
    planner.delete()?;
    Ok(planner.plan)
}

struct Planner<'a> {
    staging: &'a mut Staging,
    live: Descent,
    // Paths of which nothing that was there remains.
    replaced: HashSet<Vec<u8>>,
    // Directories that are remembered.
    noted: HashSet<Vec<u8>>,
    plan: Plan,
}

/// One name that is staged.
struct Pair {
    path: Vec<u8>,
    staged: Stat,
    live: Option<Stat>,
}

impl Planner<'_> {
    /// Joins directories that are on both sides, and plans what is different in them.
    fn merge(&mut self) -> Result<(), Fault> {
        let mut joined = vec![Vec::new()];
        while let Some(directory) = joined.pop() {
            let pairs = self.pairs(&directory);
            let pairs = pairs.map_err(|error| failure("look at", &directory, error))?;
            self.note_directory(&directory)?;
            for pair in pairs {
                if let Some(below) = self.put(pair)? {
                    joined.push(below);
                }
            }
        }
        Ok(())
    }

    fn pairs(&mut self, directory: &[u8]) -> io::Result<Vec<Pair>> {
        let new = self.staging.new.open(directory)?;
        let live = self.live.open(directory)?;
        let mut pairs = Vec::new();
        for name in node::names(new)? {
            let Some(staged) = node::look(new, &name)? else {
                continue;
            };
            let path = byte_path::join(directory, &name);
            let live = node::look(live, &name)?;
            pairs.push(Pair { path, staged, live });
        }
        Ok(pairs)
    }

    /// Remembers mode and time of a directory in which something is changed, and what it is to have.
    fn note_directory(&mut self, path: &[u8]) -> Result<(), Fault> {
        let stat = self.live.open(path).and_then(|live| node::look(live, b""));
        let stat = stat.map_err(|error| failure("look at", path, error))?;
        let (Some(stat), true) = (stat, self.noted.insert(path.to_vec())) else {
            return Ok(());
        };
        let asked = self.staging.notes.get(path);
        let asked = asked.filter(|note| note.kind == FileKind::Directory);
        self.plan.work.directories.push(Changed {
            path: path.to_vec(),
            before: Attributes::of(&stat),
            after: Attributes {
                mode: asked
                    .filter(|note| !note.keep_mode)
                    .and_then(|note| note.attributes.mode),
                modified: asked.and_then(|note| note.attributes.modified),
            },
        });
        Ok(())
    }

    /// Plans one path; gives it back if it is a directory on both sides.
    fn put(&mut self, pair: Pair) -> Result<Option<Vec<u8>>, Fault> {
        let Pair { path, staged, live } = pair;
        let note = self.staging.notes.get(&path);
        let Some(live) = live else {
            self.step(Action::Place, path);
            return Ok(None);
        };
        let was_directory = kind(&live) == FileKind::Directory;
        let is_directory = kind(&staged) == FileKind::Directory;
        let is_cleared = note.is_some_and(|note| note.kind == FileKind::Absent);
        if is_directory && was_directory && !is_cleared {
            return Ok(Some(path));
        }
        if is_directory && note.is_none() {
            return Err(in_the_way(&path, &live));
        }
        if note.is_some_and(|note| note.keep_mode) {
            self.keep_mode(&path, &staged, &live)?;
        } else if self.is_same(&path, &staged, &live)? {
            return Ok(None);
        }
        if is_directory || was_directory {
            self.step(Action::Swap, path);
        } else {
            self.step(Action::Replace, path);
        }
        Ok(None)
    }

    fn is_same(&mut self, path: &[u8], staged: &Stat, live: &Stat) -> Result<bool, Fault> {
        let failed = |error: Errno| failure("look at", path, error);
        let (parent, _) = byte_path::split(path).unwrap_or_default();
        let staged = At {
            directory: self.staging.new.open(parent).map_err(failed)?,
            stat: staged,
        };
        let live = At {
            directory: self.live.open(parent).map_err(failed)?,
            stat: live,
        };
        Ok(is_same(path, staged, live))
    }

    fn keep_mode(&mut self, path: &[u8], staged: &Stat, live: &Stat) -> Result<(), Fault> {
        if kind(staged) != kind(live) || kind(staged) != FileKind::File {
            return Ok(());
        }
        let (parent, name) = byte_path::split(path).unwrap_or_default();
        let mode = Mode::from_raw_mode(permissions(live));
        let parent = self.staging.new.open(parent);
        let kept = parent.and_then(|parent| rustix::fs::chmodat(parent, name, mode, AtFlags::empty()));
        kept.map_err(|error| failure("stage", path, error))
    }

    fn step(&mut self, action: Action, path: Vec<u8>) {
        if action != Action::Place {
            self.replaced.insert(path.clone());
        }
        self.plan.work.steps.push(Step { action, path });
    }

    /// Plans what is to go away, and counts it.
    fn delete(&mut self) -> Result<(), Fault> {
        let absent = self
            .staging
            .notes
            .iter()
            .filter(|(_, note)| note.kind == FileKind::Absent);
        let absent: Vec<Vec<u8>> = absent.map(|(path, _)| path.clone()).collect();
        for path in absent {
            let goes_anyway = self.replaced.contains(&path)
                || byte_path::ends(&path).any(|end| self.replaced.contains(&path[..end]));
            let is_there = self.is_there(&path, goes_anyway)?;
            self.plan.deleted += u64::from(is_there);
            if is_there && !goes_anyway {
                self.note_directory(byte_path::split(&path).unwrap_or_default().0)?;
                self.step(Action::Remove, path);
            }
        }
        Ok(())
    }

    /// Whether anything is at a path, which no link may lead to.
    fn is_there(&mut self, path: &[u8], goes_anyway: bool) -> Result<bool, Fault> {
        let (parent, name) = byte_path::split(path).unwrap_or_default();
        let found = self.live.open(parent).and_then(|live| node::look(live, name));
        match found {
            Ok(stat) => Ok(stat.is_some()),
            Err(error) if is_absence(error) => match self.first_link(parent) {
                Ok(Some(_)) if goes_anyway => Ok(false),
                Ok(Some(link)) => Err(through_link(&link)),
                Ok(None) => Ok(false),
                Err(error) => Err(failure("look at", path, error)),
            },
            Err(error) => Err(failure("look at", path, error)),
        }
    }

    /// The first link on a way.
    fn first_link(&mut self, way: &[u8]) -> Result<Option<Vec<u8>>, Errno> {
        for end in byte_path::ends(way) {
            let (parent, name) = byte_path::split(&way[..end]).unwrap_or_default();
            let stat = match self.live.open(parent) {
                Ok(live) => node::look(live, name)?,
                Err(error) if is_absence(error) => return Ok(None),
                Err(error) => return Err(error),
            };
            if stat.is_some_and(|stat| kind(&stat) == FileKind::Symlink) {
                return Ok(Some(way[..end].to_vec()));
            }
        }
        Ok(None)
    }
}

/// Something else than a directory is on the way to an entry.
fn in_the_way(path: &[u8], live: &Stat) -> Fault {
    match kind(live) {
        FileKind::Symlink => through_link(path),
        _ => {
            let problem = format!("`{}` is not a directory", byte_path::shown(path));
            fault(FaultKind::WrongFileType, problem)
        }
    }
}

fn through_link(path: &[u8]) -> Fault {
    let problem = format!(
        "`{}` is a symbolic link, and nothing is written through one",
        byte_path::shown(path)
    );
    fault(FaultKind::PathRefused, problem)
}
