//! Where one-shot commands without a VM have their files, for as long as they run.
//!
//! ```text
//! home/host/                     locked while a directory in it is made, or looked for one that was left behind
//! home/host/{vm_id}/             one run, 0700; locked by the process that owns the run
//! ```

use std::fs::{DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::dirs::{DirError, StateDir, ensure_private};
use crate::held_lock::HeldLock;
use crate::id::VmId;
use crate::process::strays;
use crate::workspace::remove_tree;

/// Nobody but the owner may enter.
const MODE: u32 = 0o700;

/// The directory of a run. Dropping it removes it with everything in it.
#[derive(Debug)]
pub(super) struct HostDir {
    path: PathBuf,
    // Released once it is gone.
    _held: HeldLock,
}

/// The directories of a state directory. Making one touches nothing.
#[derive(Debug, Clone)]
pub(crate) struct HostDirs {
    parent: PathBuf,
}

impl HostDirs {
    /// Those of this state directory.
    pub(crate) fn new(home: &Path) -> Self {
        Self {
            parent: home.join("host"),
        }
    }

    /// Makes an empty directory for a run.
    ///
    /// # Errors
    /// [`DirError`] if the system refuses.
    pub(super) fn create(home: &StateDir, vm_id: VmId) -> Result<HostDir, DirError> {
        let Self { parent: dir } = Self::new(home.path());
        ensure_private(&dir)?;
        let path = dir.join(vm_id.as_str());
        let error = |action| {
            let path = path.clone();
            move |source| DirError::Io { action, path, source }
        };
        // Nobody else sees it before it is locked.
        let _making = exclusive(&dir).map_err(error("lock"))?;
        DirBuilder::new()
            .mode(MODE)
            .create(&path)
            .map_err(error("create"))?;
        let made = File::open(&path).and_then(|made| made.try_lock().map(|()| made).map_err(Into::into));
        let held = made.map(HeldLock::of).map_err(|source| {
            let _already_gone = std::fs::remove_dir(&path);
            error("lock")(source)
        })?;
        Ok(HostDir { path, _held: held })
    }

    /// Those that are there.
    pub(crate) fn places(&self) -> Vec<(String, PathBuf)> {
        let entries = std::fs::read_dir(&self.parent).into_iter().flatten().flatten();
        let named = entries.filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path())));
        named.filter(|(name, _)| name.parse::<VmId>().is_ok()).collect()
    }

    /// Those whose owners were killed, in the order of their names.
    pub(crate) fn abandoned(&self) -> Vec<(String, PathBuf)> {
        let mut found = self.places();
        if !found.is_empty() {
            // What is being made now is not locked yet.
            let _none_is_made = exclusive(&self.parent);
            found.retain(|(_, path)| take(path).is_some());
        }
        found.sort();
        found
    }

    /// Removes one whose owner was killed, and ends what its commands left; one that has an owner after all stays.
    ///
    /// # Errors
    /// The first refusal of the system.
    pub(crate) fn remove(path: &Path) -> std::io::Result<()> {
        let Some(_held) = take(path) else {
            return Ok(());
        };
        strays::end_all_of(path);
        remove_tree(path)
    }
}

/// Locks what has no owner.
fn take(path: &Path) -> Option<HeldLock> {
    let dir = File::open(path).ok()?;
    dir.try_lock().ok()?;
    Some(HeldLock::of(dir))
}

/// Waits for the others that make something in a directory, or look for what has no owner; none does for long.
fn exclusive(dir: &Path) -> std::io::Result<HeldLock> {
    let dir = File::open(dir)?;
    dir.lock()?;
    Ok(HeldLock::of(dir))
}

impl HostDir {
    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for HostDir {
    fn drop(&mut self) {
        if let Err(error) = remove_tree(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "a directory is left behind");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn home() -> (tempfile::TempDir, StateDir, HostDirs) {
        let base = tempfile::tempdir().unwrap();
        let home = StateDir::open(base.path()).unwrap();
        let dirs = HostDirs::new(home.path());
        (base, home, dirs)
    }

    #[test]
    fn a_directory_goes_with_its_owner_whatever_is_in_it() {
        let (_base, home, dirs) = home();
        let made = HostDirs::create(&home, VmId::random()).unwrap();
        let mode = std::fs::metadata(made.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o700);
        let below = made.path().join("tree/closed");
        std::fs::create_dir_all(below.join("deeper")).unwrap();
        std::fs::set_permissions(&below, PermissionsExt::from_mode(0o500)).unwrap();
        assert_eq!(dirs.places().len(), 1);
        drop(made);
        assert!(dirs.places().is_empty());
    }

    #[test]
    fn only_what_has_no_owner_is_removed() {
        let (_base, home, dirs) = home();
        assert!(dirs.abandoned().is_empty());
        let owned = HostDirs::create(&home, VmId::random()).unwrap();
        let (name, left) = ("0123456789ab", home.path().join("host/0123456789ab"));
        std::fs::create_dir_all(left.join("tree")).unwrap();
        assert_eq!(dirs.abandoned(), [(name.to_owned(), left.clone())]);
        HostDirs::remove(owned.path()).unwrap();
        HostDirs::remove(&left).unwrap();
        assert!(owned.path().is_dir() && !left.exists());
    }

    #[test]
    fn an_id_is_used_once() {
        let (_base, home, _) = home();
        let vm_id = VmId::random();
        let _first = HostDirs::create(&home, vm_id).unwrap();
        HostDirs::create(&home, vm_id).unwrap_err();
    }
}
