//! Reading and replacing files of other programs without losing what these or a second pyro write meanwhile.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pyro::{ErrorCode, Result};

use crate::failure::Failure;

/// How long another pyro may hold the directory.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often a file may change under our hands before we leave it.
const TRIES: u32 = 20;

/// The text of a file; nothing where there is none.
///
/// # Errors
/// If it cannot be read, or is no file of text.
pub(crate) fn read(path: &Path) -> Result<Option<String>> {
    let unreadable = |source| Failure::Unreadable {
        path: path.to_owned(),
        source,
    };
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error).into()),
        // Anything else might never end.
        Ok(metadata) if !metadata.is_file() => {
            return Err(unreadable(io::Error::other("it is no regular file")).into());
        }
        Ok(_) => {}
    }
    let text = fs::read_to_string(path).map_err(unreadable)?;
    Ok(Some(text))
}

/// Replaces the text of a file by what `edit` makes of it, and says whether that made a difference.
///
/// `edit` gets an empty text where there is no file, and is asked again if the file changes meanwhile. A link stays a
/// link: what it leads to is replaced. Where the new text is the old one nothing is written.
///
/// # Errors
/// Those of `edit`, and if the file or its directory cannot be read or written.
pub(crate) fn replace(path: &Path, edit: impl Fn(&str) -> Result<String>) -> Result<bool> {
    let path = &followed(path).map_err(denied(path))?;
    let before = read(path)?;
    if edit(before.as_deref().unwrap_or(""))? == before.unwrap_or_default() {
        return Ok(false);
    }
    let parent = path.parent().unwrap_or_else(|| Path::new("/"));
    fs::create_dir_all(parent).map_err(denied(parent))?;
    let _locked = lock(parent)?;
    for _ in 0..TRIES {
        let before = read(path)?;
        let text = before.as_deref().unwrap_or("");
        let edited = edit(text)?;
        if edited == text {
            return Ok(false);
        }
        let draft = Draft::write(path, &edited).map_err(denied(path))?;
        // Hosts write their files at any time and know nothing of our lock.
        if read(path)? == before {
            draft.put_in_place(path).map_err(denied(path))?;
            return Ok(true);
        }
    }
    Err(busy(path).into())
}

fn denied(path: &Path) -> impl FnOnce(io::Error) -> Failure {
    move |source| Failure::Unwritable {
        path: path.to_owned(),
        source,
    }
}

fn busy(path: &Path) -> Failure {
    Failure::Usage {
        code: ErrorCode::Busy,
        message: format!("`{}` is being changed by another program", path.display()),
        hint: Some("try again; nothing was changed".to_owned()),
    }
}

/// Where the links of a path lead, also if nothing is there.
fn followed(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..40 {
        match fs::read_link(&path) {
            Ok(target) => path = path.parent().unwrap_or_else(|| Path::new("/")).join(target),
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => return path.canonicalize(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(path),
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("too many links"))
}

/// Keeps other pyros off a directory; the lock is one of the directory itself, so that no file remains of it.
fn lock(directory: &Path) -> Result<File> {
    let file = File::open(directory).map_err(denied(directory))?;
    let begun = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if begun.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(TryLockError::WouldBlock) => return Err(busy(directory).into()),
            Err(TryLockError::Error(error)) => return Err(denied(directory)(error).into()),
        }
    }
}

/// A file beside the one that it is to replace; gone if it does not.
struct Draft(PathBuf);

impl Draft {
    fn write(target: &Path, text: &str) -> io::Result<Self> {
        let old = match fs::metadata(target) {
            Ok(old) if old.permissions().mode() & 0o222 == 0 => {
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is read-only"));
            }
            Ok(old) => {
                // A rename needs no right to the file itself, but who may not write to it shall not replace it.
                drop(File::options().write(true).open(target)?);
                Some(old)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let mut name = target.file_name().unwrap_or_default().to_owned();
        name.push(format!(".pyro-{}", std::process::id()));
        let path = target.with_file_name(name);
        // What an earlier process of this number left.
        let _not_there = fs::remove_file(&path);
        let mut file = File::create_new(&path)?;
        let draft = Self(path);
        if let Some(old) = old {
            let new = file.metadata()?;
            if (old.uid(), old.gid()) != (new.uid(), new.gid()) {
                fchown(&file, Some(old.uid()), Some(old.gid()))?;
            }
            file.set_permissions(old.permissions())?;
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        Ok(draft)
    }

    fn put_in_place(self, target: &Path) -> io::Result<()> {
        fs::rename(&self.0, target)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After the rename it is not there any more.
        let _not_there = fs::remove_file(&self.0);
    }
}
