//! What a guest sends, written to the host.
//!
//! The guest chooses names, kinds, order and content, and may be hostile. So everything is made new, beside the target
//! and out of reach of the names that the guest knows: each entry below a directory that this export made, found
//! component by component and never through a link. The target appears at the end, whole, or not at all.

mod beneath;
mod budget;
mod draft;
mod error;
mod file;
mod output;
mod remove;
#[cfg(test)]
mod tests;
mod work;

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use pyro_proto::file::{FileEntry, FileKind};
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, Timestamps, fchmod, fsync, futimens, linkat, mkdirat, openat, statat,
    symlinkat, syncfs, utimensat,
};
use rustix::io::Errno;

use self::beneath::{Beneath, problem_of, split};
pub(in crate::workspace) use self::budget::Budget;
use self::draft::Draft;
pub(in crate::workspace) use self::error::UnpackError;
use self::file::{NewFile, permissions, times};
pub(in crate::workspace) use self::output::Output;
pub(in crate::workspace) use self::work::Unpacking;
use crate::TREE;
use crate::object::{ArtifactType, SkippedFile};

/// The most files left out that are named; there is no end to those that a guest can have.
const MAX_SKIPPED: usize = 10_000;

/// The most files that are named in warnings.
const MAX_CHANGED: u64 = 20;

/// The longest target of a link, in bytes.
const MAX_TARGET_BYTES: usize = 4095;

/// How a file is made: new, whatever is there.
const NEW_FILE: OFlags = OFlags::WRONLY
    .union(OFlags::CREATE)
    .union(OFlags::EXCL)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// What was put on the host.
#[derive(Debug)]
pub(in crate::workspace) struct Unpacked {
    /// Where it is, absolute.
    pub(in crate::workspace) path: PathBuf,
    /// What it is.
    pub(in crate::workspace) artifact_type: ArtifactType,
    /// How many names: those in a directory, or one.
    pub(in crate::workspace) entry_count: u64,
    /// The length of their contents, in bytes.
    pub(in crate::workspace) bytes_written: u64,
    /// What was left out, relative to what was asked for.
    pub(in crate::workspace) skipped: Vec<SkippedFile>,
    /// What went not quite right.
    pub(in crate::workspace) warnings: Vec<String>,
}

/// An output under way, which is gone without a trace when it is dropped.
#[derive(Debug)]
pub(in crate::workspace) struct Unpack {
    draft: Draft,
    budget: Budget,
    /// The path in the guest's tree that everything else is below; known with the first entry.
    base: Vec<u8>,
    root: Root,
    current: Option<Current>,
    /// Directories with the mode and the time that they get when nothing more is put into them, those below others
    /// behind these.
    directories: Vec<(Vec<u8>, Mode, Timestamps)>,
    entry_count: u64,
    bytes_written: u64,
    skipped: Vec<SkippedFile>,
    unnamed_skipped: u64,
    changed: Vec<String>,
    changed_count: u64,
}

/// What is exported.
#[derive(Debug)]
enum Root {
    /// Not known yet.
    Unknown,
    /// A directory.
    Directory(Beneath),
    /// Something else, and what.
    Single(ArtifactType),
}

/// The file whose content comes.
#[derive(Debug)]
struct Current {
    entry: FileEntry,
    times: Timestamps,
    file: NewFile,
}

impl Unpack {
    /// Begins an output; nothing is made before the first entry.
    pub(in crate::workspace) fn new(output: Output, budget: Budget) -> Self {
        Self {
            draft: Draft::new(output),
            budget,
            base: Vec::new(),
            root: Root::Unknown,
            current: None,
            directories: Vec::new(),
            entry_count: 0,
            bytes_written: 0,
            skipped: Vec::new(),
            unnamed_skipped: 0,
            changed: Vec::new(),
            changed_count: 0,
        }
    }

    /// Makes the next entry. The first is what is exported; the others are below it, each directory before what is in
    /// it.
    ///
    /// # Errors
    /// [`UnpackError`] if the entry is none that can be, or is too much, or the host refuses.
    pub(in crate::workspace) fn entry(&mut self, entry: FileEntry) -> Result<(), UnpackError> {
        self.end_file()?;
        self.budget.charge_entry()?;
        let Some(times) = times(&entry) else {
            return Err(UnpackError::garbage(&entry.path, "has a time that is none"));
        };
        if matches!(self.root, Root::Unknown) {
            return self.first(entry, times);
        }
        let path = relative(&self.base, &entry.path)?;
        if let Some(kind) = special(&entry) {
            self.skip(&path, kind);
            return Ok(());
        }
        self.below(&path, entry, times)?;
        self.entry_count += 1;
        Ok(())
    }

    /// Adds content to the last entry, which is a file.
    ///
    /// # Errors
    /// [`UnpackError`] if it is no file, or this is too much, or the host refuses.
    pub(in crate::workspace) fn data(&mut self, data: &[u8]) -> Result<(), UnpackError> {
        let Some(current) = &mut self.current else {
            return Err(UnpackError::garbage(b"", "has content and is no file"));
        };
        let taken = current.file.write(data);
        let taken = taken.map_err(UnpackError::io("write", self.draft.output().path()))?;
        self.bytes_written += data.len() as u64;
        self.budget.charge_content(data.len() as u64, taken)
    }

    /// Gives directories their modes and times, syncs everything, and puts it in place unless it was cancelled.
    ///
    /// # Errors
    /// [`UnpackError`] if nothing was sent, or the host refuses.
    pub(in crate::workspace) fn finish(mut self, cancelled: &AtomicBool) -> Result<Unpacked, UnpackError> {
        self.end_file()?;
        let artifact_type = match &mut self.root {
            Root::Unknown => return Err(UnpackError::garbage(b"", "has nothing at all")),
            Root::Single(kind) => *kind,
            Root::Directory(beneath) => {
                for (path, permissions, times) in self.directories.iter().rev() {
                    settle(beneath, path, *permissions, times).map_err(self.draft.io("set the mode of"))?;
                }
                // One call for all files; each by itself takes far longer.
                let root = beneath.directory(b"").and_then(|root| syncfs(root));
                root.map_err(self.draft.io("sync"))?;
                ArtifactType::Directory
            }
        };
        if cancelled.load(Ordering::Relaxed) {
            return Err(UnpackError::Cancelled);
        }
        let mut warnings = self.warnings();
        let path = self.draft.output().path().to_path_buf();
        warnings.extend(self.draft.publish()?);
        Ok(Unpacked {
            path,
            artifact_type,
            entry_count: self.entry_count,
            bytes_written: self.bytes_written,
            skipped: self.skipped,
            warnings,
        })
    }

    /// Makes what is exported itself.
    fn first(&mut self, entry: FileEntry, times: Timestamps) -> Result<(), UnpackError> {
        self.base = entry.path.to_vec();
        if let Some(kind) = special(&entry) {
            let path = format!("{TREE}/{}", String::from_utf8_lossy(&self.base));
            return Err(UnpackError::SpecialFile { path, kind });
        }
        self.root = match kind(&entry)? {
            FileKind::Directory => {
                self.draft
                    .make(|parent, name| mkdirat(parent, name, Mode::RWXU))?;
                let opened = Beneath::open(self.draft.parent(), self.draft.name());
                let beneath = opened.map_err(self.draft.io("open"))?;
                self.directories.push((Vec::new(), permissions(&entry), times));
                Root::Directory(beneath)
            }
            FileKind::File => {
                let made = self
                    .draft
                    .make(|parent, name| openat(parent, name, NEW_FILE, Mode::RUSR | Mode::WUSR))?;
                let file = NewFile::new(File::from(made));
                self.current = Some(Current { entry, times, file });
                self.entry_count = 1;
                Root::Single(ArtifactType::File)
            }
            FileKind::Symlink => {
                let target = link_target(&entry)?;
                self.draft.make(|parent, name| symlinkat(target, parent, name))?;
                let flags = AtFlags::SYMLINK_NOFOLLOW;
                let timed = utimensat(self.draft.parent(), self.draft.name(), &times, flags);
                timed.map_err(self.draft.io("set the time of"))?;
                self.entry_count = 1;
                Root::Single(ArtifactType::Symlink)
            }
            _ => {
                return Err(UnpackError::garbage(
                    &entry.path,
                    "is of no kind that begins an export",
                ));
            }
        };
        Ok(())
    }

    /// Makes something below the directory that is exported.
    fn below(&mut self, path: &[u8], entry: FileEntry, times: Timestamps) -> Result<(), UnpackError> {
        let Root::Directory(beneath) = &mut self.root else {
            return Err(UnpackError::garbage(path, "is below what is no directory"));
        };
        let refused = |error| match error {
            Errno::EXIST => UnpackError::garbage(path, "is there already"),
            error => UnpackError::io("create", self.draft.output().path())(error),
        };
        let (above, name) = split(path);
        match kind(&entry)? {
            FileKind::Directory => {
                let parent = parent_of(beneath, above, path, &refused)?;
                self.budget.charge_memory(path)?;
                self.budget.charge_block()?;
                mkdirat(parent, name, Mode::RWXU).map_err(refused)?;
                self.directories.push((path.to_vec(), permissions(&entry), times));
            }
            FileKind::File => {
                let parent = parent_of(beneath, above, path, &refused)?;
                let made = openat(parent, name, NEW_FILE, Mode::RUSR | Mode::WUSR).map_err(refused)?;
                let file = NewFile::new(File::from(made));
                self.current = Some(Current { entry, times, file });
            }
            FileKind::Symlink => {
                let parent = parent_of(beneath, above, path, &refused)?;
                symlinkat(link_target(&entry)?, parent, name).map_err(&refused)?;
                utimensat(parent, name, &times, AtFlags::SYMLINK_NOFOLLOW).map_err(refused)?;
            }
            FileKind::HardLink => {
                let first = relative(&self.base, &entry.target)?;
                link(beneath, &first, path, refused)?;
            }
            _ => return Err(UnpackError::garbage(path, "is of no kind that can be exported")),
        }
        Ok(())
    }

    /// Completes the file whose content has come.
    fn end_file(&mut self) -> Result<(), UnpackError> {
        let Some(Current { entry, times, file }) = self.current.take() else {
            return Ok(());
        };
        let length = file.len();
        if length > 0 {
            self.budget.charge_block()?;
        }
        if length != entry.size {
            self.changed_count += 1;
            if self.changed_count <= MAX_CHANGED {
                self.changed
                    .push(crate::argument::excerpt(&String::from_utf8_lossy(&entry.path)));
            }
        }
        let path = self.draft.output().path();
        let file = file.finish(permissions(&entry), &times);
        let file = file.map_err(UnpackError::io("write", path))?;
        if matches!(self.root, Root::Single(_)) {
            fsync(&file).map_err(UnpackError::io("sync", path))?;
        }
        Ok(())
    }

    fn skip(&mut self, path: &[u8], kind: ArtifactType) {
        if self.skipped.len() < MAX_SKIPPED {
            self.skipped.push(SkippedFile::new(path, kind.as_str()));
        } else {
            self.unnamed_skipped += 1;
        }
    }

    fn warnings(&self) -> Vec<String> {
        let changed = self.changed.iter();
        let mut warnings: Vec<String> = changed
            .map(|path| format!("`{path}` changed while it was exported"))
            .collect();
        if self.changed_count > MAX_CHANGED {
            let more = self.changed_count - MAX_CHANGED;
            warnings.push(format!("{more} more files changed while they were exported"));
        }
        if self.unnamed_skipped > 0 {
            let more = self.unnamed_skipped;
            warnings.push(format!("{more} more special files were left out"));
        }
        warnings
    }
}

/// Writes bytes as a file, whole or not at all; its mode is that of any new file. Blocks.
///
/// # Errors
/// [`UnpackError`] if the target came meanwhile, or the host refuses.
pub(in crate::workspace) fn publish_bytes(output: Output, bytes: &[u8]) -> Result<Unpacked, UnpackError> {
    let mode = Mode::from_raw_mode(0o666);
    let mut draft = Draft::new(output);
    let mut file = File::from(draft.make(|parent, name| openat(parent, name, NEW_FILE, mode))?);
    let path = draft.output().path().to_path_buf();
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    written.map_err(UnpackError::io("write", &path))?;
    Ok(Unpacked {
        path,
        artifact_type: ArtifactType::File,
        entry_count: 1,
        bytes_written: bytes.len() as u64,
        skipped: Vec::new(),
        warnings: draft.publish()?,
    })
}

/// The kind of an entry.
fn kind(entry: &FileEntry) -> Result<FileKind, UnpackError> {
    FileKind::try_from(entry.kind).map_err(|_| UnpackError::garbage(&entry.path, "is of an unknown kind"))
}

/// What an entry is that has no place on a host.
fn special(entry: &FileEntry) -> Option<ArtifactType> {
    match FileKind::try_from(entry.kind) {
        Ok(FileKind::Fifo) => Some(ArtifactType::Fifo),
        Ok(FileKind::Socket) => Some(ArtifactType::Socket),
        Ok(FileKind::Device) => Some(ArtifactType::Device),
        _ => None,
    }
}

/// The target of a link, verbatim.
fn link_target(entry: &FileEntry) -> Result<&[u8], UnpackError> {
    let target = &*entry.target;
    if target.is_empty() || target.len() > MAX_TARGET_BYTES || target.contains(&0) {
        return Err(UnpackError::garbage(
            &entry.path,
            "has a target that no link can have",
        ));
    }
    Ok(target)
}

/// The part of a path that is below what is exported.
fn relative(base: &[u8], path: &[u8]) -> Result<Vec<u8>, UnpackError> {
    let below = match base {
        [] => Some(path),
        base => path.strip_prefix(base).and_then(|rest| rest.strip_prefix(b"/")),
    };
    let below = below.ok_or_else(|| UnpackError::garbage(path, "is not below what is exported"))?;
    match problem_of(below) {
        Some(problem) => Err(UnpackError::garbage(path, problem)),
        None => Ok(below.to_vec()),
    }
}

/// The directory that something is to be in.
fn parent_of<'a>(
    beneath: &'a mut Beneath,
    above: &[u8],
    path: &[u8],
    refused: &impl Fn(Errno) -> UnpackError,
) -> Result<std::os::fd::BorrowedFd<'a>, UnpackError> {
    beneath.directory(above).map_err(|error| match error {
        Errno::NOENT => UnpackError::garbage(path, "comes before its directory"),
        Errno::NOTDIR | Errno::LOOP => UnpackError::garbage(path, "is below what is no directory"),
        error => refused(error),
    })
}

/// Gives a file that was made a further name.
fn link(
    beneath: &mut Beneath,
    first: &[u8],
    path: &[u8],
    refused: impl Fn(Errno) -> UnpackError,
) -> Result<(), UnpackError> {
    let no_file = || UnpackError::garbage(path, "is a further name of no file");
    let (first_above, first_name) = split(first);
    let first_parent = beneath.directory(first_above).map_err(|_| no_file())?;
    let first_parent = first_parent
        .try_clone_to_owned()
        .map_err(|_| refused(Errno::MFILE))?;
    let status = statat(&first_parent, first_name, AtFlags::SYMLINK_NOFOLLOW).map_err(|_| no_file())?;
    if FileType::from_raw_mode(status.st_mode) == FileType::Directory {
        return Err(no_file());
    }
    let (above, name) = split(path);
    let parent = parent_of(beneath, above, path, &refused)?;
    linkat(&first_parent, first_name, parent, name, AtFlags::empty()).map_err(refused)
}

/// Gives a directory its mode and time.
fn settle(beneath: &mut Beneath, path: &[u8], permissions: Mode, times: &Timestamps) -> Result<(), Errno> {
    let directory = beneath.directory(path)?;
    fchmod(directory, permissions)?;
    futimens(directory, times)
}
