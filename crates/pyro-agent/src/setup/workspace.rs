//! The tree of a workspace: its seed and what differs from it, joined by an overlay of its own.
//!
//! Nothing of the seed's disk is read before: a machine is saved without a workspace and restored with another seed.

use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Gid, Mode, Uid};
use rustix::io::Errno;
use rustix::mount::{MountFlags, MoveMountFlags, OpenTreeFlags};

use super::mounts::make_directory;
use super::{DuringStep, SetupError};
use crate::files::{Owner, Places, Tree};
use crate::sys;

/// Where the disk of the seed is mounted in the agent's root.
pub(super) const SEED: &str = "/seed";

/// Where the overlay is mounted in the agent's root.
pub(super) const OVERLAY: &str = "/ws";

/// Where commands see the tree.
pub(crate) const WORKSPACE: &str = "/workspace";

/// What belongs to the workspace on the machine's own disk.
const STATE: &str = "/disk/ws";

/// The baseline of a workspace without a seed.
const NO_SEED: &str = "/disk/ws/none";

const UPPER: &str = "/disk/ws/upper";
const WORK: &str = "/disk/ws/work";
const TREE: &str = "/ws/tree";
const STAGE: &str = "/ws/stage";

/// A tree that is mounted for the agent, and not yet shown to commands.
#[derive(Debug)]
pub(crate) struct Mounted {
    /// The tree.
    pub(crate) tree: Tree,
    /// A mount of it that is nowhere yet.
    pub(crate) mount: OwnedFd,
}

/// Mounts the tree, on a disk that has one from an earlier boot or not.
///
/// # Errors
/// [`SetupError`]; what was mounted until then stays.
pub(crate) fn mount(seed: Option<&Path>, owner: Owner) -> Result<Mounted, SetupError> {
    let lower = match seed {
        Some(device) => mount_seed(device).map(|()| SEED),
        None => make_empty_seed(owner).map(|()| NO_SEED),
    }?;
    for directory in [UPPER, WORK, OVERLAY] {
        make_directory(directory)?;
    }
    write_back_early()?;
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
    .during(step)?;
    let mount = open_mount().during(|| "open the workspace's mount".to_owned())?;
    bring_up().during(|| format!("bring {TREE} to the upper layer"))?;
    let tree = open_tree(lower, owner).during(|| "open the workspace's tree".to_owned())?;
    Ok(Mounted { tree, mount })
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
fn write_back_early() -> Result<(), SetupError> {
    for (name, centiseconds) in [("expire", "50"), ("writeback", "25")] {
        let file = format!("/proc/sys/vm/dirty_{name}_centisecs");
        fs::write(&file, centiseconds).during(|| format!("set {file}"))?;
    }
    Ok(())
}

fn mount_seed(device: &Path) -> Result<(), SetupError> {
    let step = || format!("mount the seed on {}", device.display());
    make_directory(SEED)?;
    let opened = File::open(device).during(step)?;
    // The kernel read it while it looked for partitions, and that may have been another seed's.
    sys::drop_block_cache(opened.as_fd()).during(step)?;
    let flags = MountFlags::RDONLY | MountFlags::NOATIME | MountFlags::NODEV;
    rustix::mount::mount(device, SEED, "erofs", flags, c"").during(step)
}

fn make_empty_seed(owner: Owner) -> Result<(), SetupError> {
    let tree = format!("{NO_SEED}/tree");
    make_directory(&tree)?;
    chown(&tree, owner).during(|| format!("give {tree} to its owner"))
}

/// Has the root of the tree in the upper layer, which is opened beside the tree itself; an overlay brings up what is given
/// to somebody, even to whom it belongs.
fn bring_up() -> io::Result<()> {
    if Path::new(UPPER).join("tree").exists() {
        return Ok(());
    }
    let stat = rustix::fs::stat(TREE)?;
    let owner = Owner {
        uid: stat.st_uid,
        gid: stat.st_gid,
    };
    chown(TREE, owner)
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
    match rustix::fs::mkdir(STAGE, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    let places = Places {
        root: Path::new(TREE),
        stage: Path::new(STAGE),
        old: &Path::new(lower).join("tree"),
        upper: Some(&Path::new(UPPER).join("tree")),
        state: Path::new(STATE),
    };
    Tree::open(places, Some(owner))
}

fn chown(path: &str, Owner { uid, gid }: Owner) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    rustix::fs::chownat(CWD, path, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW).map_err(Into::into)
}
