//! The files of a patch, as they become while it is applied.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use super::failure::Reason;
use super::{FileState, Operation};
use crate::mode::Mode;
use crate::patch::{Action, Patch, canonical};

/// A file as it is at some point of the patch.
#[derive(Debug, Clone)]
pub(super) struct Current<'a> {
    pub(super) mode: Mode,
    pub(super) content: Cow<'a, [u8]>,
    /// The path whose permissions it keeps, where no mode line says otherwise.
    pub(super) permissions_of: Option<&'a [u8]>,
}

/// One path.
#[derive(Debug)]
struct Slot<'a> {
    path: &'a [u8],
    original: Option<Current<'a>>,
    now: Option<Current<'a>>,
    /// Whether the patch made a file here, in the place of the original.
    is_made: bool,
    /// How many parts of the patch, yet to come, delete this file or move it away.
    departures: usize,
}

/// All paths of a patch, by their canonical form.
#[derive(Debug)]
pub(super) struct Tree<'a> {
    slots: BTreeMap<Vec<u8>, Slot<'a>>,
}

impl<'a> Tree<'a> {
    pub(super) fn new(patch: &'a Patch, state: &'a BTreeMap<Vec<u8>, FileState>) -> Self {
        let mut departures: HashMap<Vec<u8>, usize> = HashMap::new();
        for file in &patch.files {
            if let (Action::Delete | Action::Rename, Some(path)) = (file.action, &file.old_path) {
                *departures.entry(canonical(path)).or_default() += 1;
            }
        }
        let mut slots = BTreeMap::new();
        for path in patch.paths() {
            let original = state.get(path).map(|file| Current {
                mode: file.mode,
                content: Cow::Borrowed(&file.content[..]),
                permissions_of: Some(path),
            });
            let key = canonical(path);
            let slot = Slot {
                path,
                now: original.clone(),
                original,
                is_made: false,
                departures: departures.get(&key).copied().unwrap_or_default(),
            };
            slots.insert(key, slot);
        }
        Self { slots }
    }

    /// The file as the parts of the patch before this one left it.
    pub(super) fn now(&self, path: &[u8]) -> Result<Current<'a>, Reason> {
        let slot = self.slots.get(&canonical(path));
        slot.and_then(|slot| slot.now.clone()).ok_or(Reason::Missing)
    }

    /// The file as it was before the patch.
    pub(super) fn original(&self, path: &[u8]) -> Result<Current<'a>, Reason> {
        let slot = self.slots.get(&canonical(path));
        slot.and_then(|slot| slot.original.clone()).ok_or(Reason::Missing)
    }

    /// The file that a deletion means: not one that the patch itself put in its place.
    pub(super) fn departing(&self, path: &[u8]) -> Result<Current<'a>, Reason> {
        let is_made = self.slots.get(&canonical(path)).is_some_and(|slot| slot.is_made);
        if is_made {
            self.original(path)
        } else {
            self.now(path)
        }
    }

    /// Refuses a path at which no file can be made.
    pub(super) fn check_free(&self, path: &[u8]) -> Result<(), Reason> {
        let key = canonical(path);
        let Some(slot) = self.slots.get(&key) else {
            return Ok(());
        };
        match &slot.now {
            None => Ok(()),
            // Whether nothing else is in it shows only when the patch is put in place.
            Some(now) if now.mode == Mode::Directory => {
                let below = [&key[..], b"/"].concat();
                let mut inside = self
                    .slots
                    .range(below.clone()..)
                    .take_while(|(path, _)| path.starts_with(&below));
                let is_emptied = inside.any(|(_, slot)| slot.departures > 0 || slot.now.is_none());
                if is_emptied {
                    Ok(())
                } else {
                    Err(Reason::Directory)
                }
            }
            Some(_) if !slot.is_made && slot.departures > 0 => Ok(()),
            Some(_) => Err(Reason::Exists),
        }
    }

    /// Puts a file at a path, in the place of the one that is there.
    pub(super) fn replace(&mut self, path: &[u8], file: Current<'a>) {
        if let Some(slot) = self.slots.get_mut(&canonical(path)) {
            slot.now = Some(file);
        }
    }

    /// Makes a file at a path that is free, or will be.
    pub(super) fn make(&mut self, path: &[u8], file: Current<'a>) {
        self.replace(path, file);
        if let Some(slot) = self.slots.get_mut(&canonical(path)) {
            slot.is_made = true;
        }
    }

    /// Takes away the file that was at a path.
    pub(super) fn depart(&mut self, path: &[u8]) {
        if let Some(slot) = self.slots.get_mut(&canonical(path)) {
            slot.departures = slot.departures.saturating_sub(1);
            if !slot.is_made {
                slot.now = None;
            }
        }
    }

    /// What makes the files before the patch those after it: deletions first, each in the order of paths.
    pub(super) fn into_operations(self) -> Vec<Operation> {
        let mut operations = Vec::new();
        let mut writes = Vec::new();
        for slot in self.slots.into_values() {
            let path = slot.path.to_vec();
            match (slot.original, slot.now) {
                (Some(_), None) => operations.push(Operation::Delete { path }),
                (Some(old), Some(new)) if old.mode == new.mode && old.content == new.content => {}
                (_, Some(new)) => writes.push(Operation::Write {
                    path,
                    mode: new.mode,
                    content: new.content.into_owned(),
                    permissions_of: new.permissions_of.map(<[u8]>::to_vec),
                }),
                (None, None) => {}
            }
        }
        operations.append(&mut writes);
        operations
    }
}
