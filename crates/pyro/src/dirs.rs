//! The directories that pyro owns, and how files in them are published.

use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::error::{Diagnosis, ErrorCode};
use crate::random;

/// Nobody but the owner may enter.
const DIR_MODE: u32 = 0o700;

/// Nobody but the owner may read or write.
const FILE_MODE: u32 = 0o600;

/// Write permission for the group or for everyone.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// The directory of records, disks and logs: `PYRO_HOME`.
#[derive(Debug, Clone)]
pub(crate) struct StateDir(PathBuf);

/// The directory of environments and downloads: `PYRO_CACHE_DIR`.
#[derive(Debug, Clone)]
pub(crate) struct CacheDir(PathBuf);

impl StateDir {
    /// Opens the state directory; makes it, with what leads to it, if it is not there.
    ///
    /// # Errors
    /// [`DirError`] if it is not a directory, is another user's, is writable by others, or cannot be used.
    pub(crate) fn open(path: &Path) -> Result<Self, DirError> {
        ensure_private(path)?;
        Ok(Self(path.to_path_buf()))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl CacheDir {
    /// Opens the cache directory; makes it, with what leads to it, if it is not there.
    ///
    /// # Errors
    /// As [`StateDir::open`].
    pub(crate) fn open(path: &Path) -> Result<Self, DirError> {
        ensure_private(path)?;
        Ok(Self(path.to_path_buf()))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

/// Why a directory or a file in it cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DirError {
    /// Another user could change what is in it.
    #[error("`{}` belongs to user {owner}, not to user {user}", path.display())]
    ForeignOwner {
        /// The directory.
        path: PathBuf,
        /// Its owner's user id.
        owner: u32,
        /// This process's effective user id.
        user: u32,
    },
    /// Other users could change what is in it.
    #[error("`{}` is writable by others (mode {:o})", path.display(), mode)]
    WritableByOthers {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Something else has its name.
    #[error("`{}` is not a directory", path.display())]
    NotADirectory {
        /// What is there.
        path: PathBuf,
    },
    /// It is there and its owner's permissions do not suffice.
    #[error("`{}` cannot be read and written (mode {:o})", path.display(), mode)]
    NoAccess {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// The system's answer.
        source: io::Error,
    },
    /// The system refused an operation on it.
    #[error("cannot {action} `{}`", path.display())]
    Io {
        /// What was attempted, as in "create".
        action: &'static str,
        /// What it was attempted on.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

impl Diagnosis for DirError {
    fn code(&self) -> ErrorCode {
        ErrorCode::HostIo
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::ForeignOwner { path, .. } => {
                format!(
                    "name a directory of your own (`--home DIR`, PYRO_CACHE_DIR), or become the owner of {}",
                    quoted(path)
                )
            }
            Self::WritableByOthers { path, .. } => format!(
                "name a directory of pyro's own (`--home DIR`, PYRO_CACHE_DIR); if {} is one, run `chmod go-w` on it",
                quoted(path)
            ),
            Self::NotADirectory { .. } => {
                "name another directory: `--home DIR` for state, PYRO_CACHE_DIR for environments".to_owned()
            }
            Self::NoAccess { path, .. } => format!("run `chmod u+rwx {}`", quoted(path)),
            Self::Io { path, .. } => format!(
                "check owner, mode and space: `ls -ld {0}; df -h {0}`",
                quoted(path)
            ),
        })
    }
}

/// A path as a shell takes it.
pub(crate) fn quoted(path: &Path) -> String {
    shell_words::quote(&path.to_string_lossy()).into_owned()
}

/// Makes a directory that only this user can enter, with what leads to it; one that is there is checked instead.
///
/// # Errors
/// As [`StateDir::open`].
pub(crate) fn ensure_private(path: &Path) -> Result<(), DirError> {
    match fs_err::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            create_private(path)?;
            check_private(path)
        }
        _ => check_private(path),
    }
}

/// Checks a directory as [`StateDir::open`] does, without making it.
///
/// # Errors
/// As [`StateDir::open`]; [`DirError::Io`] if it is not there.
pub(crate) fn check_private(path: &Path) -> Result<(), DirError> {
    let metadata = std::fs::metadata(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotADirectory => in_the_way(path),
        _ => io_error("read", path)(source),
    })?;
    let path = path.to_path_buf();
    if !metadata.is_dir() {
        return Err(DirError::NotADirectory { path });
    }
    let user = rustix::process::geteuid().as_raw();
    let owner = metadata.uid();
    if owner != user {
        return Err(DirError::ForeignOwner { path, owner, user });
    }
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & WRITABLE_BY_OTHERS != 0 {
        return Err(DirError::WritableByOthers { path, mode });
    }
    let wanted = Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK;
    match rustix::fs::accessat(CWD, &path, wanted, AtFlags::EACCESS) {
        Ok(()) => Ok(()),
        Err(source) => Err(DirError::NoAccess {
            path,
            mode,
            source: source.into(),
        }),
    }
}

/// Makes a directory and what leads to it, each 0700 whatever the umask.
fn create_private(path: &Path) -> Result<(), DirError> {
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty())
        && !parent.exists()
    {
        create_private(parent)?;
    }
    match std::fs::DirBuilder::new().mode(DIR_MODE).create(path) {
        // The umask may have taken permissions that the owner needs.
        Ok(()) => fs_err::set_permissions(path, PermissionsExt::from_mode(DIR_MODE))
            .map_err(io_error("set the mode of", path)),
        // Another process of the same user was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Err(in_the_way(path)),
        Err(error) => Err(io_error("create", path)(error)),
    }
}

/// Names what keeps a directory from being where it should: the first thing above it that is there.
fn in_the_way(path: &Path) -> DirError {
    let path = path.ancestors().find(|ancestor| ancestor.exists());
    DirError::NotADirectory {
        path: path.unwrap_or_else(|| Path::new("/")).to_path_buf(),
    }
}

/// Puts a file in place as a whole: writes a new one, syncs it, renames it, syncs the directory. The file is 0600.
///
/// # Errors
/// [`DirError::Io`] with the step that failed; the file that was there before is then still there.
pub(crate) fn publish(dir: &Path, name: &str, bytes: &[u8]) -> Result<(), DirError> {
    put_in_place(dir, name, bytes, |temporary, target| {
        std::fs::rename(temporary, target).map_err(io_error("replace", target))
    })
}

/// Does the same, unless a file of this name is there already: that stays.
///
/// # Errors
/// As [`publish`].
pub(crate) fn publish_once(dir: &Path, name: &str, bytes: &[u8]) -> Result<(), DirError> {
    put_in_place(dir, name, bytes, |temporary, target| {
        match renameat_with(CWD, temporary, CWD, target, RenameFlags::NOREPLACE) {
            Err(Errno::EXIST) => std::fs::remove_file(temporary).map_err(io_error("remove", temporary)),
            renamed => renamed.map_err(|error| io_error("create", target)(error.into())),
        }
    })
}

fn put_in_place(
    dir: &Path,
    name: &str,
    bytes: &[u8],
    rename: impl FnOnce(&Path, &Path) -> Result<(), DirError>,
) -> Result<(), DirError> {
    assert!(!name.contains('/'), "a file name, not a path");
    let temporary = dir.join(format!(".{name}.{}.new", random::hex::<6>()));
    let target = dir.join(name);
    let published = write_new(&temporary, bytes).and_then(|()| rename(&temporary, &target));
    if let Err(error) = published {
        // What cannot be removed now is found by doctor later; the first failure is the one to tell.
        drop(std::fs::remove_file(&temporary));
        return Err(error);
    }
    std::fs::File::open(dir)
        .and_then(|handle| handle.sync_all())
        .map_err(io_error("sync", dir))
}

fn write_new(path: &Path, bytes: &[u8]) -> Result<(), DirError> {
    let create = || -> io::Result<()> {
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(FILE_MODE)
            .open(path)?;
        // The umask may have taken permissions that the owner needs.
        file.set_permissions(PermissionsExt::from_mode(FILE_MODE))?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    create().map_err(io_error("write", path))
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DirError {
    let path = path.to_path_buf();
    move |source| DirError::Io { action, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    fn set_mode(path: &Path, mode: u32) {
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_new_directory_and_what_leads_to_it_are_private() {
        let base = tempfile::tempdir().unwrap();
        let path = base.path().join("state/pyro");
        assert_eq!(StateDir::open(&path).unwrap().path(), path);
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o700, 0o700));
        CacheDir::open(&path).unwrap();
    }

    #[test]
    fn what_is_published_once_stays() {
        let base = tempfile::tempdir().unwrap();
        for bytes in [b"first", b"other"] {
            publish_once(base.path(), "file", bytes).unwrap();
            assert_eq!(std::fs::read(base.path().join("file")).unwrap(), b"first");
        }
        assert_eq!(mode(&base.path().join("file")), 0o600);
        assert_eq!(std::fs::read_dir(base.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_directory_that_others_may_write_is_refused_with_the_command_that_helps() {
        let base = tempfile::tempdir().unwrap();
        for bits in [0o770, 0o707, 0o777, 0o1777] {
            set_mode(base.path(), bits);
            let error = StateDir::open(base.path()).unwrap_err();
            assert!(
                matches!(error, DirError::WritableByOthers { mode, .. } if mode == bits),
                "{error}"
            );
            assert!(error.hint().unwrap().contains("chmod go-w"));
        }
        set_mode(base.path(), 0o755);
        StateDir::open(base.path()).unwrap();
    }

    #[test]
    fn a_directory_of_another_user_is_refused() {
        let foreign = if rustix::process::geteuid().is_root() {
            let base = tempfile::tempdir().unwrap();
            std::os::unix::fs::chown(base.path(), Some(12_345), None).unwrap();
            base.keep()
        } else {
            PathBuf::from("/usr")
        };
        let error = StateDir::open(&foreign).unwrap_err();
        assert!(matches!(error, DirError::ForeignOwner { .. }), "{error}");
        assert_eq!(error.code(), ErrorCode::HostIo);
        if foreign.starts_with(std::env::temp_dir()) {
            std::fs::remove_dir(foreign).unwrap();
        }
    }

    #[test]
    fn a_directory_without_owner_permissions_is_refused() {
        if rustix::process::geteuid().is_root() {
            // Nothing is refused to root: the next test has the same path for a file in the way.
            return;
        }
        let base = tempfile::tempdir().unwrap();
        set_mode(base.path(), 0o500);
        assert!(matches!(
            StateDir::open(base.path()),
            Err(DirError::NoAccess { .. })
        ));
    }

    #[test]
    fn a_file_in_the_way_is_named() {
        let base = tempfile::tempdir().unwrap();
        let file = base.path().join("state");
        std::fs::write(&file, "").unwrap();
        for path in [file.clone(), file.join("below"), file.join("below/it")] {
            let error = StateDir::open(&path).unwrap_err();
            assert!(
                matches!(&error, DirError::NotADirectory { path } if *path == file),
                "{path:?}: {error:?}"
            );
        }
    }

    #[test]
    fn publishing_replaces_the_whole_file_and_leaves_nothing_else() {
        let base = tempfile::tempdir().unwrap();
        publish(base.path(), "record.json", b"a longer first version").unwrap();
        publish(base.path(), "record.json", b"second").unwrap();
        let path = base.path().join("record.json");
        assert_eq!(std::fs::read(&path).unwrap(), b"second");
        assert_eq!(mode(&path), 0o600);
        assert_eq!(std::fs::read_dir(base.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_failed_publish_leaves_nothing_behind() {
        let base = tempfile::tempdir().unwrap();
        std::fs::create_dir(base.path().join("record.json")).unwrap();
        publish(base.path(), "record.json", b"x").unwrap_err();
        assert_eq!(std::fs::read_dir(base.path()).unwrap().count(), 1);
    }
}
