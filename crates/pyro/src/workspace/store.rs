//! The workspaces on disk, and in the same way the one-shot VMs.
//!
//! ```text
//! home/workspaces/names.lock     held by whoever gives a name or makes one
//! home/workspaces/.{id}.new, .{id}.deleted   one that is being made or removed
//! home/workspaces/{id}/          one workspace, 0700
//!   record.json                  published as a whole; changed under record.lock
//!   record.lock                  held to read, check and write the record, never longer
//!   life.lock                    held for as long as an operation excludes all others
//!   disk.img                     the VM's own disk, sparse; locked by the supervisor that uses it
//!   seed.img                     what the tree began with, if with anything; never changed
//!   host/, seed/                 instead of the two where there is no VM: what is the agent's, with the tree; and the
//!                                tree that it began with, as seed/tree
//!   host.old, host.gone          a reset is under way, or was: see supervisor/directory.rs
//!   commands.jsonl, output/      the history
//!   live.json, pulse, supervisor.sock   the supervisor's, while there is one
//!   supervisor.log               what it had to say
//! home/vms/                      laid out alike; no names, no seeds
//! home/vms/.{id}.expired         one was here until its time was over; kept for a day
//! ```
//!
//! Locks go with their descriptors, so a process that was killed holds none.

use std::collections::BTreeSet;
use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use super::error::{WorkspaceError, io_error};
use super::kind::Kind;
use super::live::{Live, host_boot};
use super::record::{FORMAT, Mover, Record, State, StopReason};
use super::remove::remove_tree;
use super::state::{Settling, Signs, settle};
use crate::dirs;
use crate::held_lock::HeldLock;
use crate::id::{WorkspaceId, WorkspaceName, WorkspaceRef};
use crate::leftover::{GIVEN_UP, older_than};
use crate::process::ProcessIdentity;

const RECORD: &str = "record.json";

/// Held by whoever gives a name or makes a workspace.
const NAMES_LOCK: &str = "names.lock";

/// What the name of a directory ends with in which a workspace is made.
const DRAFT: &str = ".new";

/// Making and removing a workspace's directory takes far less.
const UNFINISHED: Duration = Duration::from_secs(10 * 60);

/// All workspaces, or all one-shot VMs, of a state directory. Making one touches nothing.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    kind: Kind,
    dir: PathBuf,
}

/// A workspace as it was found, whatever its state.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) id: WorkspaceId,
    pub(crate) record: Result<Record, WorkspaceError>,
    /// What its supervisor said last, if that lives.
    pub(crate) live: Option<Live>,
}

/// The right to be the only one who starts, stops, resets or deletes a workspace.
#[derive(Debug)]
pub(crate) struct LifeLock {
    _lock: HeldLock,
}

impl Store {
    /// The workspaces.
    pub(crate) fn new(home: &Path) -> Self {
        Self::of(Kind::Workspace, home)
    }

    /// Everything of a kind.
    pub(crate) fn of(kind: Kind, home: &Path) -> Self {
        Self {
            kind,
            dir: home.join(kind.directory()),
        }
    }

    /// What it holds.
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// The directory of a workspace.
    pub(crate) fn dir(&self, id: WorkspaceId) -> PathBuf {
        self.dir.join(id.as_str())
    }

    /// Makes the directory and the record of a new workspace, if nobody else has its name.
    ///
    /// # Errors
    /// [`WorkspaceError::NameTaken`]; if the file system refuses, nothing is left behind.
    pub(crate) fn create(&self, record: &Record) -> Result<PathBuf, WorkspaceError> {
        dirs::ensure_private(&self.dir)?;
        let _names = self.lock_names()?;
        if let Some(name) = &record.name {
            self.check_free(name, record.workspace_id)?;
        }
        self.remove_drafts();
        let dir = self.dir(record.workspace_id);
        let draft = self.dir.join(format!(".{}{DRAFT}", record.workspace_id));
        dirs::ensure_private(&draft)?;
        let made = write(&draft, record)
            .and_then(|()| std::fs::rename(&draft, &dir).map_err(io_error("create", &dir)));
        if made.is_err() {
            // The failure at hand matters more than one to clean up after it.
            drop(remove_tree(&draft));
        }
        made.map(|()| dir)
    }

    /// Waits until nobody else gives a name.
    fn lock_names(&self) -> Result<HeldLock, WorkspaceError> {
        lock(&self.dir.join(NAMES_LOCK))
    }

    fn check_free(&self, name: &WorkspaceName, own: WorkspaceId) -> Result<(), WorkspaceError> {
        let holder = self.ids()?.into_iter().find(|id| {
            *id != own
                && self
                    .read(*id)
                    .is_ok_and(|record| record.name.as_ref() == Some(name))
        });
        match holder {
            Some(holder) if self.find(holder).is_ok() => Err(WorkspaceError::NameTaken {
                name: name.clone(),
                holder,
            }),
            // It was left behind half made, and is gone now.
            Some(_) | None => Ok(()),
        }
    }

    /// The ids of all workspaces.
    fn ids(&self) -> Result<Vec<WorkspaceId>, WorkspaceError> {
        let entries = match std::fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(io_error("list", &self.dir)(error)),
        };
        let mut ids: Vec<WorkspaceId> = entries
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .collect();
        ids.sort_unstable();
        Ok(ids)
    }

    /// Every workspace, settled.
    ///
    /// # Errors
    /// If the directory of all of them cannot be read.
    pub(crate) fn all(&self) -> Result<Vec<Found>, WorkspaceError> {
        let found = self.ids()?.into_iter().map(|id| match self.find(id) {
            // One that was left behind half made is gone now.
            Err(error) if error.is_absence() => None,
            Ok(found) => Some(found),
            Err(error) => Some(Found {
                id,
                record: Err(error),
                live: None,
            }),
        });
        Ok(found.flatten().collect())
    }

    /// A workspace by its id or name, settled.
    ///
    /// # Errors
    /// [`WorkspaceError::NotFound`].
    pub(crate) fn resolve(&self, given: &WorkspaceRef) -> Result<Found, WorkspaceError> {
        match given {
            WorkspaceRef::Id(id) => self.find(*id),
            WorkspaceRef::Name(name) => {
                let holder = self.ids()?.into_iter().find(|id| {
                    self.read(*id)
                        .is_ok_and(|record| record.name.as_ref() == Some(name))
                });
                let missing = || self.not_found(given);
                self.find(holder.ok_or_else(missing)?)
            }
        }
    }

    fn not_found(&self, given: &WorkspaceRef) -> WorkspaceError {
        match given {
            WorkspaceRef::Id(id) if self.kind == Kind::Vm => WorkspaceError::VmNotFound {
                id: *id,
                expired_at: self.expired_at(*id),
            },
            WorkspaceRef::Id(_) | WorkspaceRef::Name(_) => WorkspaceError::NotFound {
                given: given.to_string(),
                others: self.ids().map_or(0, |ids| ids.len()),
            },
        }
    }

    /// When what is gone was removed because its time was over, if it was.
    fn expired_at(&self, id: WorkspaceId) -> Option<Timestamp> {
        let metadata = std::fs::metadata(self.tombstone(id)).ok()?;
        metadata.modified().ok()?.try_into().ok()
    }

    fn tombstone(&self, id: WorkspaceId) -> PathBuf {
        self.dir.join(format!(".{id}.expired"))
    }

    /// Reads a workspace, and finishes or undoes what a process that is gone left half done.
    ///
    /// # Errors
    /// [`WorkspaceError::NotFound`], also if it was removed just now.
    pub(crate) fn find(&self, id: WorkspaceId) -> Result<Found, WorkspaceError> {
        let dir = self.dir(id);
        let record = match self.read(id) {
            Ok(record) => record,
            Err(error) if error.is_absence() => return Err(error),
            Err(error) => {
                let record = Err(error);
                return Ok(Found {
                    id,
                    record,
                    live: None,
                });
            }
        };
        let said = Live::read(&dir);
        let signs = signs(&record, said.as_ref());
        if settle(&record, signs) == Settling::Nothing {
            let live = said.filter(|_| signs.supervisor_lives);
            let record = Ok(record);
            return Ok(Found { id, record, live });
        }
        self.settle(id)
    }

    /// Does what is to be done about a workspace whose process is gone.
    fn settle(&self, id: WorkspaceId) -> Result<Found, WorkspaceError> {
        let dir = self.dir(id);
        let guard = self.lock_record(id)?;
        // Somebody else may have done it meanwhile.
        let mut record = self.read(id)?;
        let said = Live::read(&dir);
        let signs = signs(&record, said.as_ref());
        let live = said.filter(|_| signs.supervisor_lives);
        match settle(&record, signs) {
            Settling::Nothing => {}
            Settling::Created => {
                record.state = State::Created;
                record.mover = None;
                write(&dir, &record)?;
            }
            Settling::Stopped(reason) => {
                stopped(&mut record, reason);
                if let Err(error) = write(&dir, &record) {
                    // It is stopped all the same, and whoever looks next comes to the same end.
                    tracing::warn!(%error, "that a workspace stopped was not recorded");
                }
            }
            Settling::Remove => {
                // Whoever was to ask it to end has ended before: nobody else could reach it.
                if let Some(Err(error)) = live.map(|live| live.supervisor.kill()) {
                    tracing::warn!(%error, "the supervisor of what is removed was not ended");
                }
                remove(&dir)?;
                drop(guard);
                return Err(self.not_found(&id.into()));
            }
        }
        let record = Ok(record);
        Ok(Found { id, record, live })
    }

    /// Reads a record as it is.
    ///
    /// # Errors
    /// [`WorkspaceError::Damaged`], [`WorkspaceError::Newer`], [`WorkspaceError::NotFound`].
    pub(crate) fn read(&self, id: WorkspaceId) -> Result<Record, WorkspaceError> {
        let path = self.dir(id).join(RECORD);
        let kind = self.kind;
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound && !self.dir(id).exists() => {
                return Err(self.not_found(&id.into()));
            }
            Err(error) => {
                let problem = error.to_string();
                return Err(WorkspaceError::Damaged { id, kind, problem });
            }
        };
        let damaged = |error: serde_json::Error| WorkspaceError::Damaged {
            id,
            kind,
            problem: error.to_string(),
        };
        let value: serde_json::Value = serde_json::from_slice(&bytes).map_err(damaged)?;
        let format = value["format"].as_u64().unwrap_or(0);
        if format > u64::from(FORMAT) {
            return Err(WorkspaceError::Newer { id, format });
        }
        let record: Record = serde_json::from_value(value).map_err(damaged)?;
        if record.workspace_id == id && record.kind == kind {
            return Ok(record);
        }
        let problem = format!("it is that of `{}`", record.workspace_id);
        Err(WorkspaceError::Damaged { id, kind, problem })
    }

    /// Reads, changes and writes a record, while nobody else does.
    ///
    /// # Errors
    /// What `change` refuses with, or the file system.
    pub(crate) fn update<T>(
        &self,
        id: WorkspaceId,
        change: impl FnOnce(&mut Record) -> Result<T, WorkspaceError>,
    ) -> Result<T, WorkspaceError> {
        let _guard = self.lock_record(id)?;
        let before = self.read(id)?;
        let mut record = before.clone();
        let outcome = change(&mut record)?;
        if record != before {
            write(&self.dir(id), &record)?;
        }
        Ok(outcome)
    }

    /// As [`Self::update`], for a change of the name, which nobody else may have.
    ///
    /// # Errors
    /// [`WorkspaceError::NameTaken`], or as [`Self::update`].
    pub(crate) fn update_named<T>(
        &self,
        id: WorkspaceId,
        name: &WorkspaceName,
        change: impl FnOnce(&mut Record) -> Result<T, WorkspaceError>,
    ) -> Result<T, WorkspaceError> {
        let _names = self.lock_names()?;
        self.check_free(name, id)?;
        self.update(id, change)
    }

    fn lock_record(&self, id: WorkspaceId) -> Result<HeldLock, WorkspaceError> {
        let dir = self.dir(id);
        if !dir.exists() {
            return Err(self.not_found(&id.into()));
        }
        lock(&dir.join("record.lock"))
    }

    /// Takes the right to change the life of a workspace, if nobody else has it.
    ///
    /// # Errors
    /// If the file system refuses.
    pub(crate) fn try_lock_life(&self, id: WorkspaceId) -> Result<Option<LifeLock>, WorkspaceError> {
        let path = self.dir(id).join("life.lock");
        let file = match open_lock(&path) {
            Err(WorkspaceError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
                return Err(self.not_found(&id.into()));
            }
            opened => opened?,
        };
        match file.try_lock() {
            Ok(()) => Ok(Some(LifeLock {
                _lock: HeldLock::of(file),
            })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(io_error("lock", path)(error)),
        }
    }

    /// The digests of the environments that workspaces need to start.
    ///
    /// # Errors
    /// If the workspaces cannot be listed.
    pub(crate) fn environment_digests(&self) -> Result<BTreeSet<String>, WorkspaceError> {
        let records = self.ids()?.into_iter().filter_map(|id| self.read(id).ok());
        Ok(records.map(|record| record.environment_digest).collect())
    }

    /// What is left of workspaces whose making or removal nobody finished.
    pub(crate) fn leftovers(&self) -> Vec<PathBuf> {
        older_than(&self.dir, UNFINISHED, |name| is_grave(name) || is_draft(name))
    }

    /// Removes one of them.
    ///
    /// # Errors
    /// If the file system refuses.
    pub(crate) fn remove_leftover(&self, path: &Path) -> Result<(), WorkspaceError> {
        remove_tree(path).map_err(io_error("remove", path))
    }

    /// The directories of all workspaces, with their names for people.
    pub(crate) fn places(&self) -> Vec<(String, PathBuf)> {
        let place = |id| {
            let name = self.read(id).ok().and_then(|record| record.name);
            (
                name.map_or_else(|| id.to_string(), |name| name.to_string()),
                self.dir(id),
            )
        };
        self.ids().unwrap_or_default().into_iter().map(place).collect()
    }

    /// Removes a workspace with all that it has. Call it when no VM uses it.
    ///
    /// # Errors
    /// If the file system refuses; what is left of it is removed by whoever finds it next.
    pub(crate) fn remove(&self, id: WorkspaceId) -> Result<(), WorkspaceError> {
        remove(&self.dir(id))?;
        self.finish_removals();
        Ok(())
    }

    /// As [`Self::remove`], for one whose time was over then: whoever asks for it within a day is told so.
    ///
    /// # Errors
    /// As [`Self::remove`].
    pub(crate) fn remove_expired(&self, id: WorkspaceId, at: Timestamp) -> Result<(), WorkspaceError> {
        let path = self.tombstone(id);
        let noted =
            open_lock(&path).and_then(|file| file.set_modified(at.into()).map_err(io_error("write", path)));
        // It is told as unknown otherwise, which is no reason to keep it.
        if let Err(error) = noted {
            tracing::warn!(%error, "that a VM expired was not noted");
        }
        self.remove(id)
    }

    /// Removes what is left of workspaces whose maker or remover was killed. Nobody uses it any more, however old it is.
    fn finish_removals(&self) {
        self.remove_all(is_grave);
        // Whoever makes one removes them too.
        if let Ok(names) = open_lock(&self.dir.join(NAMES_LOCK))
            && names.try_lock().is_ok()
        {
            self.remove_drafts();
        }
    }

    /// Removes what makers left behind that were killed. Call it when nobody else makes a workspace.
    fn remove_drafts(&self) {
        self.remove_all(is_draft);
    }

    fn remove_all(&self, is_left: impl Fn(&str) -> bool) {
        let entries = std::fs::read_dir(&self.dir).into_iter().flatten().flatten();
        for left in entries.filter(|entry| is_left(&entry.file_name().to_string_lossy())) {
            // Another one may be at it; what is left all the same is a matter of the next removal.
            drop(remove_tree(&left.path()));
        }
        for tombstone in older_than(&self.dir, GIVEN_UP, is_tombstone) {
            drop(std::fs::remove_file(tombstone));
        }
    }
}

impl Mover {
    /// This process, which begins to move a workspace out of a state.
    ///
    /// # Errors
    /// If the kernel does not say when it started.
    pub(crate) fn own(before: State) -> Result<Self, WorkspaceError> {
        Ok(Self {
            process: ProcessIdentity::own().map_err(io_error("make out", "/proc/self/stat"))?,
            boot: host_boot().to_owned(),
            since: Timestamp::now(),
            before,
        })
    }
}

/// What the processes of a workspace are known by; `said` is what its last supervisor said.
fn signs(record: &Record, said: Option<&Live>) -> Signs {
    let boot = host_boot();
    let last_boot = match &record.mover {
        Some(mover) => Some(mover.boot.as_str()),
        None => said.map(|live| live.boot.as_str()),
    };
    Signs {
        mover_lives: record
            .mover
            .as_ref()
            .is_some_and(|mover| mover.boot == boot && mover.process.is_live()),
        supervisor_lives: said.is_some_and(Live::is_live),
        same_boot: last_boot.is_none_or(|last| last == boot),
    }
}

fn write(dir: &Path, record: &Record) -> Result<(), WorkspaceError> {
    let bytes = serde_json::to_vec_pretty(record).expect("records have string keys and no other way to fail");
    Ok(dirs::publish(dir, RECORD, &bytes)?)
}

/// Whether a workspace is made under this name.
fn is_draft(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(DRAFT)
}

/// Whether a workspace was given this name to be removed under.
fn is_grave(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(".deleted")
}

/// Whether a file says that something was removed because its time was over.
fn is_tombstone(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(".expired")
}

/// It is no workspace any more once its directory has another name.
fn remove(dir: &Path) -> Result<(), WorkspaceError> {
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    let grave = dir.with_file_name(format!(".{name}.deleted"));
    match std::fs::rename(dir, &grave) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(io_error("remove", dir)(error)),
        Ok(()) | Err(_) => {}
    }
    remove_tree(&grave).map_err(io_error("remove", grave))
}

fn lock(path: &Path) -> Result<HeldLock, WorkspaceError> {
    let file = open_lock(path)?;
    file.lock().map_err(io_error("lock", path))?;
    Ok(HeldLock::of(file))
}

fn open_lock(path: &Path) -> Result<File, WorkspaceError> {
    File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(io_error("open", path))
}

/// Records that a workspace has no VM any more.
pub(crate) fn stopped(record: &mut Record, reason: StopReason) {
    record.state = State::Stopped;
    record.stop_reason = Some(reason);
    record.stopped_at = Some(Timestamp::now());
    record.mover = None;
}
