//! A root directory of its own for a VMM, with nothing in it but the VMM's program.
//!
//! It is a file system in memory that only the VMM's mount namespace has, so that it is gone with the VMM, however that
//! ends, and no path of the host leads there. pyro gets it as a descriptor, and by that to the sockets that the VMM makes
//! in it. The program must be linked statically, as there is no library in it.
//!
//! Firecracker's own `jailer` makes a root in a directory of the host instead, which somebody has to clean up, needs
//! privileges, and loses the tie of the VMM's life to its owner's when it changes the user.

use std::ffi::{CStr, CString, OsStr};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Gid, Mode, OFlags, Uid};
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};

/// Where the new root is put together: a directory that every host has, and under which no program lies.
const PLACE: &CStr = c"/proc";

/// A root for one VMM, not yet made.
#[derive(Debug)]
pub(super) struct Jail {
    program: CString,
    /// Where the program is to be while the root is put together.
    in_place: CString,
    owner: (Uid, Gid),
}

/// What comes there are sockets and small files.
const OPTIONS: &CStr = c"mode=0700,size=4m,nr_inodes=64";

/// The path of a program in a root of its own.
pub(super) fn path_inside(program: &Path) -> PathBuf {
    Path::new("/").join(program.file_name().unwrap_or_else(|| OsStr::new("vmm")))
}

impl Jail {
    /// For this program, which then has its [`path_inside`], and a VMM that runs as this user and group.
    ///
    /// # Errors
    /// If there is no such program.
    pub(super) fn new(program: &Path, user: u32, group: u32) -> std::io::Result<Self> {
        let in_place = [PLACE.to_bytes(), path_inside(program).as_os_str().as_bytes()].concat();
        // A link would be looked up in the VMM's mount namespace, where nothing keeps it from leading elsewhere.
        let program = fs_err::canonicalize(program)?;
        Ok(Self {
            program: CString::new(program.as_os_str().as_bytes())?,
            in_place: CString::new(in_place)?,
            owner: (Uid::from_raw(user), Gid::from_raw(group)),
        })
    }

    /// Makes the root that of this process, and returns it. The process must have a mount namespace of its own, and the
    /// privileges over it. Makes system calls only.
    ///
    /// # Errors
    /// What a system call answered. The process is then in no state to go on in.
    pub(super) fn enter(&self) -> rustix::io::Result<OwnedFd> {
        // Nothing that is mounted from here on is seen outside.
        let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        rustix::mount::mount_change(c"/", private)?;
        let flags = MountFlags::NOSUID | MountFlags::NODEV;
        rustix::mount::mount(c"pyro", PLACE, c"tmpfs", flags, OPTIONS)?;
        let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC;
        drop(rustix::fs::open(self.in_place.as_c_str(), flags, Mode::empty())?);
        rustix::mount::mount_bind(self.program.as_c_str(), self.in_place.as_c_str())?;
        // Of a mount with further flags of its own an ordinary user may not do that; then nobody can write to the program
        // for as long as it runs.
        let fixed = MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV;
        let _stays_writable = rustix::mount::mount_remount(self.in_place.as_c_str(), fixed, c"");
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(PLACE, flags, Mode::empty())?;
        // Where there is no such user, as in some containers, the VMM cannot become it either.
        let (user, group) = self.owner;
        let _stays = rustix::fs::chownat(&root, c"", Some(user), Some(group), AtFlags::EMPTY_PATH);
        // The old root is put over the new one, and taken away (pivot_root(2), notes).
        rustix::process::fchdir(&root)?;
        rustix::process::pivot_root(c".", c".")?;
        rustix::mount::unmount(c".", UnmountFlags::DETACH)?;
        rustix::process::chdir(c"/")?;
        Ok(root)
    }
}
