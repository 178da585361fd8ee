//! What is at a path of the host that is to be copied.

use std::fs::{File, Metadata};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use pyro_image::seed::SeedError;
use pyro_proto::file::{FileEntry, FileKind};
use rustix::fs::{Mode, OFlags};

use crate::dirs::quoted;
use crate::error::{Diagnosis, ErrorCode, Result};
use crate::workspace::content::seed_error;

/// A file, directory or link of the host; what is said of the first and the last is as the agent is told.
#[derive(Debug)]
pub(super) enum Found {
    /// A directory, about which nothing else is known.
    Directory,
    /// A file that was opened.
    File(File, FileEntry),
    /// A link, with its target.
    Symlink(FileEntry),
}

/// A socket, pipe or device.
#[derive(Debug, thiserror::Error)]
#[error("`{}` is neither a file, nor a directory, nor a link", path.display())]
struct SpecialFile {
    path: PathBuf,
}

impl Diagnosis for SpecialFile {
    fn code(&self) -> ErrorCode {
        ErrorCode::WrongFileType
    }

    fn hint(&self) -> Option<String> {
        Some(format!("look what it is: `ls -ld {}`", quoted(&self.path)))
    }
}

impl Found {
    /// Looks what is at a path. A file is opened without following a link, and without waiting for a pipe's other end.
    ///
    /// # Errors
    /// `host-io`, and `wrong-file-type` for anything else.
    pub(super) async fn at(path: PathBuf) -> Result<Self> {
        let work = tokio::task::spawn_blocking(move || {
            let failed = |error| seed_error(read_error(&path)(error));
            let metadata = std::fs::symlink_metadata(&path).map_err(failed)?;
            if metadata.is_dir() {
                return Ok(Self::Directory);
            }
            if metadata.is_symlink() {
                let target = std::fs::read_link(&path).map_err(failed)?;
                let target = Bytes::copy_from_slice(target.as_os_str().as_bytes());
                let mut entry = entry(&metadata, FileKind::Symlink);
                entry.size = target.len() as u64;
                entry.target = target;
                return Ok(Self::Symlink(entry));
            }
            let special = || SpecialFile { path: path.clone() };
            if !metadata.is_file() {
                return Err(special().into());
            }
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            let file: File = rustix::fs::open(&path, flags, Mode::empty())
                .map_err(|error| failed(error.into()))?
                .into();
            let metadata = file.metadata().map_err(failed)?;
            if !metadata.is_file() {
                return Err(special().into());
            }
            let entry = entry(&metadata, FileKind::File);
            Ok(Self::File(file, entry))
        });
        work.await.expect("looking at a file does not panic")
    }
}

/// Says which file cannot be read.
pub(super) fn read_error(path: &Path) -> impl FnOnce(std::io::Error) -> SeedError {
    let path = path.to_path_buf();
    move |source| SeedError::Read { path, source }
}

/// Mode, time and length of a file on the host, as the agent is told of them.
fn entry(metadata: &Metadata, kind: FileKind) -> FileEntry {
    FileEntry {
        path: Bytes::new(),
        kind: kind.into(),
        mode: metadata.mode() & 0o7777,
        size: metadata.len(),
        modified_s: metadata.mtime(),
        // The kernel gives less than a second.
        modified_ns: u32::try_from(metadata.mtime_nsec()).unwrap_or(0),
        target: Bytes::new(),
        stamp: Bytes::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::{Duration, SystemTime};

    use super::*;

    #[tokio::test]
    async fn what_is_there_is_told_with_mode_time_and_target() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "content").unwrap();
        let before = SystemTime::UNIX_EPOCH - Duration::from_millis(1500);
        File::open(&file).unwrap().set_modified(before).unwrap();
        let Found::File(_, entry) = Found::at(file.clone()).await.unwrap() else {
            unreachable!("it is a file");
        };
        assert_eq!((entry.size, entry.kind()), (7, FileKind::File));
        assert_eq!((entry.modified_s, entry.modified_ns), (-2, 500_000_000));
        let link = dir.path().join("link");
        std::os::unix::fs::symlink("no where", &link).unwrap();
        let Found::Symlink(entry) = Found::at(link).await.unwrap() else {
            unreachable!("it is a link");
        };
        assert_eq!((entry.size, &entry.target[..]), (8, &b"no where"[..]));
        assert!(matches!(
            Found::at(dir.path().to_owned()).await.unwrap(),
            Found::Directory
        ));
        let missing = Found::at(dir.path().join("missing")).await.unwrap_err();
        assert_eq!(missing.code(), ErrorCode::HostIo);
        let device = Found::at("/dev/null".into()).await.unwrap_err();
        assert_eq!(device.code(), ErrorCode::WrongFileType);
    }
}
