//! What is mounted where.
//!
//! ```text
//!  agent's root (initramfs)           workload's root
//!   /proc /sys /dev /sys/fs/cgroup     /            overlay of /lower (image) and /disk/upper
//!   /lower   image, read-only          /proc        of the workload's pid namespace
//!   /disk    the machine's own disk    /sys /sys/fs/cgroup
//!   /sysroot both joined               /dev         tmpfs: no disks, no port to the host
//!   /seed    of a workspace, read-only /dev/pts /dev/shm /run
//!   /ws      overlay of /seed and /disk/ws/upper
//!            /ws/tree ───────────────▶ /workspace
//! ```

use std::ffi::CStr;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode};
use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};

use super::devices::Disks;
use super::{DuringStep, SetupError, workspace};

/// Where the machine's own disk is mounted in the agent's root.
pub(crate) const DISK: &str = "/disk";

const LOWER: &str = "/lower";
/// Where what is to be the workload's root is joined.
pub(super) const SYSROOT: &str = "/sysroot";

/// The flags of file systems that hold neither programs nor devices.
const INERT: MountFlags = MountFlags::NOSUID
    .union(MountFlags::NOEXEC)
    .union(MountFlags::NODEV);

/// Mounts the kernel's file systems in the agent's own root.
pub(crate) fn mount_for_agent() -> Result<(), SetupError> {
    mount_virtual("devtmpfs", "/dev", MountFlags::NOSUID, c"mode=0755")?;
    mount_virtual("proc", "/proc", INERT, c"")?;
    mount_virtual("sysfs", "/sys", INERT, c"")?;
    mount_virtual("cgroup2", "/sys/fs/cgroup", INERT, c"")
}

/// Joins the image and the machine's own disk to one writable root at `/sysroot`.
pub(crate) fn join_disks(disks: &Disks) -> Result<(), SetupError> {
    make_directory(LOWER)?;
    mount_image(&disks.image).during(|| format!("mount the image on {}", disks.image.display()))?;
    make_directory(DISK)?;
    match &disks.own {
        // The journal commits often: what a command wrote must survive the VMM's end after a short while, and the blocks
        // of it that are written back after half of that are committed within the other. The inode
        // tables are made of zeroes: the thread that would zero them wakes up in every restored machine, to end. The same
        // thread would read all bitmaps ahead of need.
        Some(node) => {
            let options = c"commit=1,noinit_itable,no_prefetch_block_bitmaps";
            rustix::mount::mount(node, DISK, "ext4", MountFlags::NOATIME, options)
                .during(|| format!("mount the machine's disk on {}", node.display()))?;
        }
        None => mount_virtual("tmpfs", DISK, MountFlags::NOATIME, c"mode=0755")?,
    }
    mount_overlay()
}

/// Joins the image and a disk in memory to another root at `/sysroot`, which goes with the mount namespace.
///
/// The thread must have a mount namespace of its own.
pub(crate) fn join_image_and_memory() -> Result<(), SetupError> {
    for machines in [SYSROOT, DISK] {
        rustix::mount::unmount(machines, UnmountFlags::DETACH)
            .during(|| format!("take {machines} from a rehearsal"))?;
    }
    mount_virtual("tmpfs", DISK, MountFlags::NOATIME, c"mode=0755")?;
    mount_overlay()
}

/// Makes `/sysroot` of what is mounted on `/lower` and `/disk`.
fn mount_overlay() -> Result<(), SetupError> {
    for directory in ["/disk/upper", "/disk/work", SYSROOT] {
        make_directory(directory)?;
    }
    // Without redirects a directory of the image cannot be renamed.
    let layers = c"lowerdir=/lower,upperdir=/disk/upper,workdir=/disk/work,redirect_dir=on";
    rustix::mount::mount("overlay", SYSROOT, "overlay", MountFlags::NOATIME, layers)
        .during(|| "join the image and the machine's disk".to_owned())
}

/// Keeps what the calling thread mounts and unmounts from now on to its own mount namespace.
pub(crate) fn separate() -> Result<(), SetupError> {
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    rustix::mount::mount_change("/", private).during(|| "separate the workload's mounts".to_owned())
}

/// Makes `/sysroot` the root of the calling thread, with nothing of the agent's in reach.
///
/// The thread must have a mount namespace and a root of its own.
pub(crate) fn enter_sysroot() -> Result<(), SetupError> {
    for agents in ["/sys/fs/cgroup", "/sys", "/proc", "/dev", LOWER, DISK] {
        rustix::mount::unmount(agents, UnmountFlags::DETACH)
            .during(|| format!("take {agents} from the workload"))?;
    }
    // The machine's own workload begins before a workspace is there, and not every machine gets one.
    for workspaces in [workspace::OVERLAY, workspace::SEED] {
        match rustix::mount::unmount(workspaces, UnmountFlags::DETACH) {
            Ok(()) | Err(Errno::INVAL | Errno::NOENT) => {}
            Err(error) => return Err(error).during(|| format!("take {workspaces} from the workload")),
        }
    }
    // The initramfs is no mount that `pivot_root` could leave: move over it, as switch_root(8) does.
    rustix::process::chdir(SYSROOT)
        .and_then(|()| rustix::mount::mount_move(".", "/"))
        .and_then(|()| rustix::process::chroot("."))
        .and_then(|()| rustix::process::chdir("/"))
        .during(|| "enter the workload's root".to_owned())
}

/// Mounts what programs expect to find, except `/proc`: that takes a process of the workload's pid namespace.
///
/// Call it in the workload's root.
pub(crate) fn furnish() -> Result<(), SetupError> {
    make_directory("/proc")?;
    mount_virtual("sysfs", "/sys", INERT, c"")?;
    mount_virtual("cgroup2", "/sys/fs/cgroup", INERT, c"")?;
    mount_virtual(
        "tmpfs",
        "/run",
        MountFlags::NOSUID.union(MountFlags::NODEV),
        c"mode=0755",
    )?;
    if !Path::new("/tmp").exists() {
        make_sticky("/tmp").during(|| "make /tmp".to_owned())?;
    }
    mount_virtual("tmpfs", "/dev", MountFlags::NOSUID, c"mode=0755,size=1m")?;
    fill_dev().during(|| "fill /dev".to_owned())?;
    let terminals = c"newinstance,ptmxmode=0666,mode=0620,gid=5";
    mount_virtual(
        "devpts",
        "/dev/pts",
        MountFlags::NOSUID.union(MountFlags::NOEXEC),
        terminals,
    )?;
    mount_virtual(
        "tmpfs",
        "/dev/shm",
        MountFlags::NOSUID.union(MountFlags::NODEV),
        c"mode=1777",
    )
}

/// Mounts `/proc` for the pid namespace of the calling process; only system calls.
pub(crate) fn mount_proc() -> Result<(), Errno> {
    rustix::mount::mount(c"proc", c"/proc", c"proc", INERT, None::<&CStr>)
}

fn mount_image(node: &Path) -> Result<(), Errno> {
    let read_only = MountFlags::RDONLY | MountFlags::NOATIME;
    match rustix::mount::mount(node, LOWER, "erofs", read_only, None::<&CStr>) {
        Err(Errno::INVAL | Errno::NODEV) => rustix::mount::mount(node, LOWER, "ext4", read_only, c"noload"),
        outcome => outcome,
    }
}

fn mount_virtual(kind: &str, target: &str, flags: MountFlags, options: &CStr) -> Result<(), SetupError> {
    make_directory(target)?;
    match rustix::mount::mount(kind, target, kind, flags, options) {
        // The kernel may have mounted it by itself.
        Ok(()) | Err(Errno::BUSY) => Ok(()),
        Err(error) => Err(error).during(|| format!("mount {target}")),
    }
}

pub(super) fn make_directory(path: &str) -> Result<(), SetupError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(path)
        .during(|| format!("make {path}"))
}

fn make_sticky(path: &str) -> io::Result<()> {
    DirBuilder::new().create(path)?;
    // The umask has no say in an explicit change.
    rustix::fs::chmod(path, Mode::from_raw_mode(0o1777)).map_err(Into::into)
}

fn fill_dev() -> io::Result<()> {
    const NODES: [(&str, u32, u32); 6] = [
        ("null", 1, 3),
        ("zero", 1, 5),
        ("full", 1, 7),
        ("random", 1, 8),
        ("urandom", 1, 9),
        ("tty", 5, 0),
    ];
    const LINKS: [(&str, &str); 5] = [
        ("/proc/self/fd", "fd"),
        ("/proc/self/fd/0", "stdin"),
        ("/proc/self/fd/1", "stdout"),
        ("/proc/self/fd/2", "stderr"),
        ("pts/ptmx", "ptmx"),
    ];
    let mode = Mode::from_raw_mode(0o666);
    for (name, major, minor) in NODES {
        let path = Path::new("/dev").join(name);
        let device = rustix::fs::makedev(major, minor);
        rustix::fs::mknodat(CWD, &path, FileType::CharacterDevice, mode, device)?;
        rustix::fs::chmod(&path, mode)?;
    }
    for (target, name) in LINKS {
        symlink(target, Path::new("/dev").join(name))?;
    }
    fs::create_dir_all("/dev/pts")
}
