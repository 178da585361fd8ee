//! What the tests of this module's files have in common.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use pyro_proto::file::{FileEntry, FileKind, PutEntry, PutResult};
use pyro_proto::message::Fault;
use rustix::fs::Uid;
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};
use tempfile::TempDir;

use super::commit::commit_guarded;
use super::node;
use super::staging::Staging;
use super::tree::{Owner, Places, Tree};
use crate::sys;

/// A tree to try things on.
pub(super) struct Ground {
    /// The tree.
    pub(super) tree: Arc<Tree>,
    /// Where it is.
    pub(super) files: TempDir,
    live: PathBuf,
    overlay: Option<PathBuf>,
}

/// An entry with its content.
#[derive(Debug, Clone)]
pub(super) struct Put {
    /// The entry.
    pub(super) entry: PutEntry,
    /// The content of a file.
    pub(super) content: Vec<u8>,
}

/// The time that entries have unless a test says otherwise.
pub(super) const TIME: i64 = 1_000_000_000;

impl Ground {
    /// An empty one of plain directories.
    pub(super) fn new() -> Self {
        let files = directory_in_memory();
        Self {
            tree: Arc::new(Tree::of_dirs(files.path())),
            live: files.path().join("tree"),
            files,
            overlay: None,
        }
    }

    /// One of plain directories without layers, as on a host.
    pub(super) fn on_host() -> Self {
        let mut ground = Self::new();
        let tree = Arc::get_mut(&mut ground.tree).unwrap();
        tree.upper = None;
        ground
    }

    /// One in which an overlay joins the live tree of a baseline and what differs from it, as in a machine. The thread
    /// must have its own mounts: see [`with_own_mounts`].
    pub(super) fn overlay(baseline: impl FnOnce(&dyn Fn(&str, &str))) -> Self {
        let files = directory_in_memory();
        let place = |name: &str| {
            let path = files.path().join(name);
            fs::create_dir_all(&path).unwrap();
            path
        };
        let (lower, upper, work, mount) = (place("lower"), place("upper"), place("work"), place("ws"));
        place("lower/tree");
        baseline(&|path, content| make(&lower.join("tree").join(path), path, content));
        let options = format!(
            "lowerdir={},upperdir={},workdir={},redirect_dir=on,metacopy=off,index=off",
            lower.display(),
            upper.display(),
            work.display()
        );
        let options = CString::new(options).unwrap();
        rustix::mount::mount(
            "overlay",
            &mount,
            "overlay",
            MountFlags::NOATIME,
            options.as_c_str(),
        )
        .unwrap();
        let root = fs::metadata(mount.join("tree")).unwrap();
        std::os::unix::fs::chown(mount.join("tree"), Some(root.uid()), None).unwrap();
        let places = Places {
            root: &mount.join("tree"),
            stage: &place("ws/stage"),
            old: &lower.join("tree"),
            upper: Some(&upper.join("tree")),
            state: &place("state"),
        };
        let owner = Owner { uid: 0, gid: 0 };
        Self {
            tree: Arc::new(Tree::open(places, Some(owner)).unwrap()),
            live: mount.join("tree"),
            files,
            overlay: Some(mount),
        }
    }

    /// Makes something in the live tree: a directory by a slash at the end, a link by `-> `, or a file.
    pub(super) fn make(&self, path: &str, content: &str) {
        make(&self.live(path), path, content);
    }

    /// The path of something live.
    pub(super) fn live(&self, path: &str) -> PathBuf {
        self.live.join(path)
    }

    /// Puts entries, with a guard before each step.
    pub(super) fn put_guarded(
        &self,
        dest: &str,
        puts: &[Put],
        dry_run: bool,
        guard: &mut dyn FnMut() -> io::Result<()>,
    ) -> Result<PutResult, Fault> {
        let mut staging = self.stage(dest, puts)?;
        commit_guarded(&mut staging, dry_run, guard)
    }

    /// Puts entries.
    pub(super) fn put(&self, dest: &str, puts: &[Put]) -> Result<PutResult, Fault> {
        self.put_guarded(dest, puts, false, &mut || Ok(()))
    }

    /// Stages entries.
    pub(super) fn stage(&self, dest: &str, puts: &[Put]) -> Result<Staging, Fault> {
        let mut staging = Staging::begin(self.tree.clone(), dest.as_bytes())?;
        for put in puts {
            staging.entry(put.entry.clone())?;
            if put.entry.entry.as_ref().unwrap().kind() == FileKind::File {
                staging.data(&put.content)?;
                staging.end_data()?;
            }
        }
        Ok(staging)
    }

    /// All that is in the live tree.
    pub(super) fn snapshot(&self) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        describe(&self.live(""), "", &mut all);
        all
    }

    /// Whether nothing is left in the stage, nor of a journal.
    pub(super) fn is_clean(&self) -> bool {
        [&self.tree.stage, &self.tree.state]
            .into_iter()
            .all(|part| node::names(part.as_fd()).unwrap().is_empty())
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        if let Some(overlay) = &self.overlay {
            rustix::mount::unmount(overlay, UnmountFlags::DETACH).unwrap();
        }
    }
}

/// Runs a test on a thread of an ordinary user, as which it makes and reads everything.
pub(super) fn as_ordinary_user(test: impl FnOnce() + Send + 'static) {
    let thread = std::thread::spawn(|| {
        if rustix::process::geteuid().is_root() {
            let user = Uid::from_raw(65534);
            rustix::thread::set_thread_res_uid(user, user, user).unwrap();
        }
        test();
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// Runs a test on a thread with its own mounts. Only root may have them: for others, this says that it cannot.
pub(super) fn with_own_mounts(test: impl FnOnce() + Send + 'static) {
    let thread = std::thread::spawn(|| {
        let separated = sys::unshare_workload().and_then(|()| {
            let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
            rustix::mount::mount_change("/", private).map_err(Into::into)
        });
        match separated {
            Ok(()) => test(),
            Err(error) => println!("NOT TRIED: an overlay takes root ({error}); the checks in VMs have one"),
        }
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

fn directory_in_memory() -> TempDir {
    // To sync the file system of `/tmp` may take as long as everything else on it.
    let memory = Path::new("/dev/shm");
    let files = if memory.is_dir() {
        TempDir::new_in(memory)
    } else {
        TempDir::new()
    };
    files.unwrap()
}

fn make(place: &Path, path: &str, content: &str) {
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    if path.ends_with('/') {
        fs::create_dir_all(place).unwrap();
    } else if let Some(target) = content.strip_prefix("-> ") {
        symlink(target, place).unwrap();
    } else {
        fs::write(place, content).unwrap();
    }
}

/// An entry to put.
pub(super) fn entry(kind: FileKind, path: &str, mode: u32, content: &str) -> Put {
    let is_link = matches!(kind, FileKind::Symlink | FileKind::HardLink);
    let entry = FileEntry {
        path: Bytes::copy_from_slice(path.as_bytes()),
        kind: kind.into(),
        mode,
        size: if kind == FileKind::File {
            content.len() as u64
        } else {
            0
        },
        modified_s: TIME,
        modified_ns: 7,
        target: if is_link {
            Bytes::copy_from_slice(content.as_bytes())
        } else {
            Bytes::new()
        },
        ..FileEntry::default()
    };
    Put {
        entry: PutEntry {
            entry: Some(entry),
            ..PutEntry::default()
        },
        content: content.as_bytes().to_vec(),
    }
}

/// A file to put.
pub(super) fn file(path: &str, content: &str) -> Put {
    entry(FileKind::File, path, 0o644, content)
}

/// A directory to put.
pub(super) fn directory(path: &str) -> Put {
    entry(FileKind::Directory, path, 0o750, "")
}

/// A deletion.
pub(super) fn absent(path: &str) -> Put {
    entry(FileKind::Absent, path, 0, "")
}

fn describe(place: &Path, path: &str, all: &mut BTreeMap<String, String>) {
    let meta = fs::symlink_metadata(place).unwrap();
    let what = if meta.is_symlink() {
        format!("-> {}", fs::read_link(place).unwrap().display())
    } else if meta.is_dir() {
        "directory".to_owned()
    } else if meta.is_file() {
        String::from_utf8_lossy(&fs::read(place).unwrap()).into_owned()
    } else {
        "special".to_owned()
    };
    // An overlay counts no links to directories.
    let links = if meta.is_dir() { 1 } else { meta.nlink() };
    let (mode, time, nanos) = (meta.mode() & 0o7777, meta.mtime(), meta.mtime_nsec());
    all.insert(path.to_owned(), format!("{what} {mode:o} {time}.{nanos} {links}"));
    if meta.is_dir() {
        for entry in fs::read_dir(place).unwrap() {
            let name = entry.unwrap().file_name();
            let name = String::from_utf8_lossy(name.as_bytes()).into_owned();
            describe(&place.join(&name), &format!("{path}/{name}"), all);
        }
    }
}
