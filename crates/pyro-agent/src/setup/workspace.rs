//! The tree of a workspace: its seed and what differs from it, joined by an overlay of its own.
//!
//! Nothing of the seed's disk but its superblock is read before: a machine is saved with an empty seed and restored with
//! another one.

use std::ffi::CString;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{Advice, AtFlags, CWD, FsWord, Gid, Mode, Stat, Timespec, Timestamps, UTIME_NOW, Uid};
use rustix::io::Errno;
use rustix::mount::{MountFlags, MoveMountFlags, OpenTreeFlags};

use super::mounts::{SYSROOT, make_directory};
use super::{DuringStep, SetupError};
use crate::files::{Owner, Places, Tree};

/// Where the disk of the seed is mounted in the agent's root.
pub(super) const SEED: &str = "/seed";

/// The tree there.
const SEED_TREE: &str = "/seed/tree";

/// Where the overlay is mounted in the agent's root.
pub(super) const OVERLAY: &str = "/ws";

/// Where commands see the tree.
pub(crate) const WORKSPACE: &str = "/workspace";

/// What belongs to the workspace on the machine's own disk.
const STATE: &str = "/disk/ws";

/// The baseline of a workspace without a seed, in a machine without a disk for one.
const NO_SEED: &str = "/disk/ws/none";
const NO_SEEDS_TREE: &str = "/disk/ws/none/tree";

const UPPER: &str = "/disk/ws/upper";
const UPPER_TREE: &str = "/disk/ws/upper/tree";
const UPPER_STAGE: &str = "/disk/ws/upper/stage";
const WORK: &str = "/disk/ws/work";
const TREE: &str = "/ws/tree";
const STAGE: &str = "/ws/stage";

/// `linux/magic.h`.
const OVERLAYFS: FsWord = 0x794c_7630;

/// How long the machine is spared what can wait until its first command may have begun.
const LEISURE: Duration = Duration::from_millis(100);

/// A tree that is mounted for the agent, and not yet shown to commands.
#[derive(Debug)]
pub(crate) struct Mounted {
    /// The tree.
    pub(crate) tree: Tree,
    /// A mount of it that is nowhere yet.
    pub(crate) mount: OwnedFd,
}

/// Makes what a workspace takes, whoever needs it: a machine that is saved has it already, and to make it is the greater part
/// of what it would take to mount a tree. The seed that such a machine has is an empty one, of which nothing is looked at;
/// all seeds are alike as far as they are read for this (`pyro_image`'s EROFS: the superblock, the number of the root and its
/// size).
///
/// # Errors
/// [`SetupError`] with the directory that could not be made. A seed that cannot be mounted is told by [`mount`].
pub(super) fn prepare(seed: Option<&Path>) -> Result<(), SetupError> {
    for directory in [SEED, OVERLAY, UPPER, WORK] {
        make_directory(directory)?;
    }
    let only_ours = DirBuilder::new().mode(0o700).recursive(true).create(UPPER_STAGE);
    only_ours.during(|| format!("make {UPPER_STAGE}"))?;
    make_upper_tree().during(|| format!("make {UPPER_TREE}"))?;
    // Something else may be there: `show` sees to that.
    drop(fs::create_dir(format!("{SYSROOT}{WORKSPACE}")));
    if let Some(device) = seed {
        drop(mount_seed(device).and_then(|()| join(SEED)));
    }
    Ok(())
}

/// Mounts the tree, on a disk that has one from an earlier boot or not. A tree without a seed begins empty, and `owner`'s.
///
/// # Errors
/// [`SetupError`]; what was mounted until then stays.
pub(crate) fn mount(seed: Option<&Path>, is_seeded: bool, owner: Owner) -> Result<Mounted, SetupError> {
    let lower = match seed {
        Some(device) if is_joined().during(|| format!("look at {OVERLAY}"))? => {
            if is_seeded {
                forget(device)?;
            }
            SEED
        }
        Some(device) if is_seeded => {
            mount_seed(device)?;
            join(SEED)?;
            SEED
        }
        Some(_) | None => {
            make_directory(NO_SEEDS_TREE)?;
            join(NO_SEED)?;
            NO_SEED
        }
    };
    let mount = open_mount().during(|| "open the workspace's mount".to_owned())?;
    begin(is_seeded, owner).during(|| format!("begin {TREE}"))?;
    let tree = open_tree(lower, owner).during(|| "open the workspace's tree".to_owned())?;
    Ok(Mounted { tree, mount })
}

/// Joins the seed and what differs from it.
fn join(lower: &str) -> Result<(), SetupError> {
    // A directory of the seed can be renamed only by a redirect. A file is always copied up whole: what compares the tree
    // with its baseline looks for contents in the upper layer.
    let options = format!(
        "lowerdir={lower},upperdir={UPPER},workdir={WORK},redirect_dir=on,metacopy=off,index=off,xino=auto"
    );
    let step = || "join the seed and what differs from it".to_owned();
    let options = CString::new(options).during(step)?;
    rustix::mount::mount(
        "overlay",
        OVERLAY,
        "overlay",
        MountFlags::NOATIME,
        options.as_c_str(),
    )
    .during(step)
}

fn is_joined() -> rustix::io::Result<bool> {
    Ok(rustix::fs::statfs(OVERLAY)?.f_type == OVERLAYFS)
}

/// Shows the tree to commands. Call it in the workload's root.
///
/// # Errors
/// When there is no place for it, or the kernel refuses.
pub(crate) fn show(mount: &OwnedFd) -> io::Result<()> {
    // A command of an earlier boot may have put anything there.
    match fs::symlink_metadata(WORKSPACE) {
        Ok(place) if place.is_dir() => {}
        Ok(_) => {
            fs::remove_file(WORKSPACE)?;
            fs::create_dir(WORKSPACE)?;
        }
        Err(_) => fs::create_dir(WORKSPACE)?,
    }
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    rustix::mount::move_mount(mount, "", CWD, WORKSPACE, flags).map_err(Into::into)
}

/// Has the kernel write to the disk what has been in memory alone for half a second.
///
/// What a command wrote must survive the VMM's end two seconds later. The kernel's own figure is half a minute, and a
/// journal that commits often is no help: blocks are allocated when they are written, and until then a file that is
/// committed is empty. A machine that is thrown away with its one command is spared this.
///
/// # Errors
/// [`SetupError`] with the kernel's file that could not be written.
pub(crate) async fn write_back_early() -> Result<(), SetupError> {
    tokio::time::sleep(LEISURE).await;
    for (name, centiseconds) in [("expire", "50"), ("writeback", "25")] {
        let file = format!("/proc/sys/vm/dirty_{name}_centisecs");
        fs::write(&file, centiseconds).during(|| format!("set {file}"))?;
    }
    Ok(())
}

fn mount_seed(device: &Path) -> Result<(), SetupError> {
    let flags = MountFlags::RDONLY | MountFlags::NOATIME | MountFlags::NODEV;
    forget(device)?;
    match rustix::mount::mount(device, SEED, "erofs", flags, c"") {
        // It was, and then what differs could not be joined to it.
        Ok(()) | Err(Errno::BUSY) => Ok(()),
        Err(error) => Err(error).during(|| format!("mount the seed on {}", device.display())),
    }
}

/// Has the kernel forget what it read of a seed, which may have been another one's: it looks for partitions, and a machine
/// that was saved had an empty seed.
fn forget(device: &Path) -> Result<(), SetupError> {
    let forgotten = File::open(device)
        .and_then(|device| rustix::fs::fadvise(device, 0, None, Advice::DontNeed).map_err(Into::into));
    forgotten.during(|| format!("read the seed on {} anew", device.display()))
}

/// Makes the root of the tree in the upper layer, which is opened beside the tree itself, with the mode and the time by which
/// [`begin`] knows that there was no tree before.
fn make_upper_tree() -> io::Result<()> {
    match rustix::fs::mkdir(UPPER_TREE, Mode::empty()) {
        Ok(()) => set_times(UPPER_TREE, EPOCH),
        Err(Errno::EXIST) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Gives the root of a new tree what it has in the seed. Without a seed it is `owner`'s, and made now.
fn begin(is_seeded: bool, owner: Owner) -> io::Result<()> {
    let upper = rustix::fs::stat(UPPER_TREE)?;
    if Mode::from_raw_mode(upper.st_mode) != Mode::empty() || upper.st_mtime != 0 {
        return Ok(());
    }
    let (owner, mode, time) = match is_seeded {
        true => {
            let seed = rustix::fs::stat(SEED_TREE)?;
            (owner_of(&seed), Mode::from_raw_mode(seed.st_mode), time_of(&seed))
        }
        false => (owner, Mode::from_raw_mode(0o755), NOW),
    };
    let Owner { uid, gid } = owner;
    if owner_of(&upper) != owner {
        let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
        rustix::fs::chownat(CWD, TREE, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
    }
    rustix::fs::chmod(TREE, mode)?;
    set_times(TREE, time)
}

const EPOCH: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};

const NOW: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: UTIME_NOW,
};

fn owner_of(stat: &Stat) -> Owner {
    Owner {
        uid: stat.st_uid,
        gid: stat.st_gid,
    }
}

fn time_of(stat: &Stat) -> Timespec {
    Timespec {
        tv_sec: stat.st_mtime,
        // Below a thousand millions in any case.
        tv_nsec: stat.st_mtime_nsec.try_into().unwrap_or_default(),
    }
}

fn set_times(path: &str, time: Timespec) -> io::Result<()> {
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    rustix::fs::utimensat(CWD, path, &times, AtFlags::empty()).map_err(Into::into)
}

fn open_mount() -> Result<OwnedFd, Errno> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let mount = rustix::mount::open_tree(CWD, TREE, flags)?;
    // The agent needs no device that a command made; commands do.
    let flags = MountFlags::BIND | MountFlags::NODEV | MountFlags::NOATIME;
    rustix::mount::mount_remount(OVERLAY, flags, c"")?;
    Ok(mount)
}

fn open_tree(lower: &str, owner: Owner) -> io::Result<Tree> {
    let places = Places {
        root: Path::new(TREE),
        stage: Path::new(STAGE),
        old: &Path::new(lower).join("tree"),
        upper: Some(Path::new(UPPER_TREE)),
        state: Path::new(STATE),
    };
    Tree::open(places, Some(owner))
}
