//! The disk of a VM's own: sparse, empty, and gone with its VM.
//!
//! An empty ext4 file system of each size is made once and kept in the cache; a new disk is a sparse copy of it, which
//! costs some hundred KiB whatever its size. A one-shot VM's disk has no name in any directory, so that nothing can be
//! left behind, however the VM ends.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use pyro_image::seed::write_empty_seed_image;
use rustix::fs::{MemfdFlags, Mode, OFlags, SeekFrom};

use crate::dirs;
use crate::error::{Diagnosis, ErrorCode};
use crate::process::find_program;

/// Changed whenever the file system is made in another way.
const RECIPE: u32 = 2;

/// What the file system can do, on top of what every ext file system can. Without a configuration file, mke2fs leaves all
/// of it out: no preallocation, no times finer than a second, and bitmaps that are written for the whole disk.
const FEATURES: &str = "^resize_inode,extent,flex_bg,huge_file,dir_nlink,extra_isize,uninit_bg";

/// The directory of a seed that holds the tree.
pub(crate) const SEED_TOP: &str = "tree";

/// The size of a seed's disk, in bytes. It is the same whatever the seed's, since it is a part of what a template is.
pub(crate) const SEED_DISK_BYTES: u64 = 1 << 40;

/// The disk of an empty seed, in memory, for machines that have none: with it a guest is prepared for any seed.
///
/// # Errors
/// If the kernel refuses.
pub(crate) fn empty_seed() -> std::io::Result<OwnedFd> {
    let name = c"empty-seed";
    let file = File::from(rustix::fs::memfd_create(name, MemfdFlags::CLOEXEC)?);
    write_empty_seed_image(SEED_TOP, file.try_clone()?, Path::new("empty-seed"))
        .map_err(std::io::Error::other)?;
    rustix::fs::ftruncate(&file, SEED_DISK_BYTES)?;
    // As one that cannot be written to by whoever has it.
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(File::open(path)?.into())
}

/// A disk that could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DiskError {
    /// The host's file system refused.
    #[error("cannot {action} `{}`", path.display())]
    Host {
        /// What was tried, as in "create".
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The directory of the empty file systems cannot be used.
    #[error(transparent)]
    Dir(#[from] dirs::DirError),
    /// The program that makes file systems is not there.
    #[error("`mke2fs` is not installed")]
    NoMke2fs,
    /// It failed.
    #[error("`mke2fs` failed: {message}")]
    Mke2fs {
        /// What it said.
        message: String,
    },
}

impl Diagnosis for DiskError {
    fn code(&self) -> ErrorCode {
        ErrorCode::HostIo
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Dir(error) => return error.hint(),
            Self::Host { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                "free some space, or name a place with more: `--home DIR`, PYRO_CACHE_DIR".to_owned()
            }
            Self::Host { .. } => "check the owner and mode of its directory".to_owned(),
            Self::NoMke2fs => "install it: `apt-get install e2fsprogs`".to_owned(),
            Self::Mke2fs { .. } => "pyro needs e2fsprogs 1.47 or newer".to_owned(),
        })
    }
}

/// Where disks come from and go to.
#[derive(Debug)]
pub(crate) struct DiskSource<'a> {
    /// The cache directory, which keeps the empty file systems.
    pub(crate) cache_dir: &'a Path,
    /// The directory on whose file system new disks are made.
    pub(crate) disk_dir: &'a Path,
    /// Where `mke2fs` is looked up.
    pub(crate) search_path: &'a [PathBuf],
}

impl DiskSource<'_> {
    /// Makes a disk without a name that begins as another is.
    ///
    /// # Errors
    /// [`DiskError`]; nothing is left behind.
    pub(crate) fn copy_of(&self, image: &File) -> Result<OwnedFd, DiskError> {
        let disk = nameless(self.disk_dir).map_err(host("create a disk in", self.disk_dir))?;
        copy_sparse(image, &disk).map_err(host("write a disk in", self.disk_dir))?;
        Ok(disk.into())
    }

    /// Makes an empty disk of a file.
    ///
    /// # Errors
    /// [`DiskError`]; the file is then of no use.
    pub(crate) fn make_empty(&self, disk: &File, disk_gib: u32) -> Result<(), DiskError> {
        copy_sparse(&self.open_blank(disk_gib)?, disk).map_err(host("write a disk in", self.disk_dir))
    }

    /// Makes a file of the caller's begin as another disk is, whatever it held.
    ///
    /// # Errors
    /// [`DiskError`]; the file is then of no use.
    pub(crate) fn refill(&self, disk: &File, image: &File) -> Result<(), DiskError> {
        disk.set_len(0)
            .and_then(|()| copy_sparse(image, disk))
            .map_err(host("write a disk in", self.disk_dir))
    }

    /// An empty disk of a size, to be copied.
    ///
    /// # Errors
    /// [`DiskError`] if there is none, and none can be made.
    pub(crate) fn empty(&self, disk_gib: u32) -> Result<File, DiskError> {
        self.open_blank(disk_gib)
    }

    fn open_blank(&self, disk_gib: u32) -> Result<File, DiskError> {
        let path = self.blank(disk_gib)?;
        File::open(&path).map_err(host("open", &path))
    }

    /// The empty file system of a size, made if it is not there yet.
    fn blank(&self, disk_gib: u32) -> Result<PathBuf, DiskError> {
        let dir = self.cache_dir.join("disks");
        let path = dir.join(format!("ext4-{RECIPE}-{disk_gib}g.img"));
        if path.exists() {
            return Ok(path);
        }
        dirs::ensure_private(&dir)?;
        // Two processes may make it at once; both make the same, and the later one replaces the earlier.
        let draft = dir.join(format!(".{}", crate::random::hex::<8>()));
        let made = self
            .format(&draft, disk_gib)
            .and_then(|()| std::fs::rename(&draft, &path).map_err(host("create", &path)));
        if made.is_err() {
            let _not_even_made = std::fs::remove_file(&draft);
        }
        made.map(|()| path)
    }

    fn format(&self, path: &Path, disk_gib: u32) -> Result<(), DiskError> {
        let mke2fs = find_program(self.search_path, "mke2fs").ok_or(DiskError::NoMke2fs)?;
        let file = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path);
        let file = file.map_err(host("create", path))?;
        file.set_len(u64::from(disk_gib) << 30)
            .map_err(host("create", path))?;
        let output = Command::new(mke2fs)
            .args([
                "-q", "-F", "-t", "ext4", "-m", "0", "-O", FEATURES, "-I", "256", "-i", "16384", "-J",
                "size=16",
            ])
            // The file reads as zeros already: nothing of the tables needs writing, now or later in the guest.
            .args(["-E", "assume_storage_prezeroed=1,nodiscard,root_owner=0:0"])
            .arg(path)
            .env("MKE2FS_CONFIG", "/dev/null")
            .stdin(Stdio::null())
            .output()
            .map_err(host("run mke2fs on", path))?;
        if output.status.success() {
            return file.sync_all().map_err(host("write", path));
        }
        Err(DiskError::Mke2fs {
            message: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        })
    }
}

fn host(action: &'static str, path: &Path) -> impl Fn(std::io::Error) -> DiskError + use<> {
    let path = path.to_owned();
    move |source| DiskError::Host {
        action,
        path: path.clone(),
        source,
    }
}

/// A file on the directory's file system that has no name from the beginning, where the file system can do that.
///
/// # Errors
/// If the file system refuses.
pub(crate) fn nameless(dir: &Path) -> std::io::Result<File> {
    let mode = Mode::RUSR | Mode::WUSR;
    match rustix::fs::open(dir, OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC, mode) {
        Ok(file) => Ok(file.into()),
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::ISDIR) => {
            let path = dir.join(format!(".{}", crate::random::hex::<8>()));
            let file = File::options()
                .read(true)
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path)?;
            std::fs::remove_file(&path)?;
            Ok(file)
        }
        Err(error) => Err(error.into()),
    }
}

/// Copies what is data and leaves the holes; shares the blocks where the file system can.
fn copy_sparse(from: &File, to: &File) -> std::io::Result<()> {
    if rustix::fs::ioctl_ficlone(to, from).is_ok() {
        return Ok(());
    }
    let length = from.metadata()?.len();
    to.set_len(length)?;
    let mut position = 0;
    while position < length {
        let data = match rustix::fs::seek(from, SeekFrom::Data(position)) {
            Ok(data) => data,
            // No data from here to the end.
            Err(rustix::io::Errno::NXIO) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let hole = rustix::fs::seek(from, SeekFrom::Hole(data))?;
        copy_range(from, to, data, hole)?;
        position = hole;
    }
    Ok(())
}

fn copy_range(from: &File, to: &File, start: u64, end: u64) -> std::io::Result<()> {
    let (mut read_at, mut write_at) = (start, start);
    while read_at < end {
        let length = usize::try_from(end - read_at).unwrap_or(usize::MAX);
        match rustix::fs::copy_file_range(from, Some(&mut read_at), to, Some(&mut write_at), length) {
            Ok(0) => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => {}
            // Across file systems an older kernel does not copy by itself (copy_file_range(2)).
            Err(rustix::io::Errno::XDEV | rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::INVAL) => {
                return copy_by_hand(from, to, read_at, end);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn copy_by_hand(from: &File, to: &File, mut position: u64, end: u64) -> std::io::Result<()> {
    use std::os::unix::fs::FileExt;

    let mut buffer = vec![0; 256 * 1024];
    while position < end {
        let wanted = usize::try_from(end - position)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let count = from.read_at(&mut buffer[..wanted], position)?;
        if count == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        to.write_all_at(&buffer[..count], position)?;
        position += count as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{FileExt, MetadataExt};

    use super::*;

    #[test]
    fn a_scratch_disk_is_sparse_and_has_no_name() {
        let cache = tempfile::tempdir().unwrap();
        let disks = tempfile::tempdir().unwrap();
        let search_path = ["/usr/sbin".into(), "/sbin".into()];
        let source = DiskSource {
            cache_dir: cache.path(),
            disk_dir: disks.path(),
            search_path: &search_path,
        };
        let disk = File::from(source.copy_of(&source.empty(10).unwrap()).unwrap());
        let metadata = disk.metadata().unwrap();
        assert_eq!(metadata.len(), 10 << 30);
        assert!(
            metadata.blocks() * 512 < 1 << 20,
            "{} blocks in use",
            metadata.blocks()
        );
        assert_eq!(disks.path().read_dir().unwrap().count(), 0);
        let mut magic = [0; 2];
        disk.read_exact_at(&mut magic, 1024 + 56).unwrap();
        assert_eq!(u16::from_le_bytes(magic), 0xEF53, "an ext4 super block");
        let (mut inode_size, mut incompatible) = ([0; 2], [0; 4]);
        disk.read_exact_at(&mut inode_size, 1024 + 0x58).unwrap();
        disk.read_exact_at(&mut incompatible, 1024 + 0x60).unwrap();
        assert_eq!(
            u16::from_le_bytes(inode_size),
            256,
            "room for times to the nanosecond"
        );
        assert_ne!(u32::from_le_bytes(incompatible) & 0x40, 0, "extents");
    }

    #[test]
    fn holes_stay_holes_and_data_stays_data() {
        let from = tempfile::tempfile().unwrap();
        from.set_len(64 << 20).unwrap();
        from.write_all_at(b"beginning", 0).unwrap();
        from.write_all_at(b"middle", 32 << 20).unwrap();
        let to = tempfile::tempfile().unwrap();
        copy_sparse(&from, &to).unwrap();
        let mut text = [0; 6];
        to.read_exact_at(&mut text, 32 << 20).unwrap();
        assert_eq!(&text, b"middle");
        assert_eq!(to.metadata().unwrap().len(), 64 << 20);
        assert!(to.metadata().unwrap().blocks() * 512 < 1 << 20);
    }

    #[test]
    fn a_host_without_mke2fs_is_told_what_to_install() {
        let dir = tempfile::tempdir().unwrap();
        let source = DiskSource {
            cache_dir: dir.path(),
            disk_dir: dir.path(),
            search_path: &[],
        };
        let error = source.empty(1).unwrap_err();
        assert!(matches!(error, DiskError::NoMke2fs) && error.hint().unwrap().contains("e2fsprogs"));
        assert_eq!(dir.path().join("disks").read_dir().unwrap().count(), 0);
    }
}
