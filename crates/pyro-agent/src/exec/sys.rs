//! The system interfaces by which a process comes to be.
#![expect(unsafe_code, reason = "fork and exec have no safe wrapper")]

use std::convert::Infallible;
use std::ffi::{CStr, CString, c_char};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::process::PidfdFlags;

/// Which side of a fork this is.
pub(crate) enum Fork {
    /// The new process.
    Child,
    /// The old one, with a descriptor of the new one.
    Parent(OwnedFd),
}

/// `struct clone_args` of clone(2), as of the kernel that knows cgroups in it.
#[repr(C)]
#[derive(Default)]
struct CloneArguments {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// `linux/sched.h`; the C library's headers have it as a number that does not fit.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Forks, into the cgroup behind its directory if one is given, as in a guest. A host may lack what that takes.
///
/// A process that joins a cgroup later holds up all forks and exits of the machine until the kernel is sure that none is
/// under way; to be born in it costs nothing.
///
/// The child must do nothing but system calls until it ends or executes: the process may have several threads.
pub(super) fn fork(cgroup: Option<BorrowedFd<'_>>) -> io::Result<Fork> {
    match cgroup {
        Some(cgroup) => fork_into(cgroup),
        None => match crate::sys::fork()? {
            crate::sys::Fork::Child => Ok(Fork::Child),
            crate::sys::Fork::Parent(pid) => {
                // Nobody else waits for it, so the number is still its own.
                let process = rustix::process::pidfd_open(pid, PidfdFlags::empty())?;
                Ok(Fork::Parent(process))
            }
        },
    }
}

fn fork_into(cgroup: BorrowedFd<'_>) -> io::Result<Fork> {
    let mut process = -1_i32;
    let arguments = CloneArguments {
        flags: flag(libc::CLONE_PIDFD) | CLONE_INTO_CGROUP,
        pidfd: (&raw mut process).expose_provenance() as u64,
        exit_signal: flag(libc::SIGCHLD),
        cgroup: u64::try_from(cgroup.as_raw_fd()).map_err(io::Error::other)?,
        ..CloneArguments::default()
    };
    let size = size_of_val(&arguments);
    // SAFETY: the arguments are live, `size` is theirs, and without a stack of its own the child has a copy of this one.
    match unsafe { libc::syscall(libc::SYS_clone3, &raw const arguments, size) } {
        0 => Ok(Fork::Child),
        pid if pid > 0 => {
            // SAFETY: the kernel has put a new descriptor there, which nobody else knows.
            Ok(Fork::Parent(unsafe { OwnedFd::from_raw_fd(process) }))
        }
        _ => Err(io::Error::last_os_error()),
    }
}

fn flag(number: libc::c_int) -> u64 {
    u64::from(number.unsigned_abs())
}

/// Strings as a program gets them: an array of pointers that ends with a null pointer.
#[derive(Debug)]
pub(super) struct Strings {
    owned: Vec<CString>,
    pointers: Vec<*const c_char>,
}

impl Strings {
    /// Takes strings over.
    pub(super) fn new(owned: Vec<CString>) -> Self {
        let ends = std::iter::once(std::ptr::null());
        let pointers = owned.iter().map(|text| text.as_ptr()).chain(ends).collect();
        Self { owned, pointers }
    }

    /// The first string.
    pub(super) fn first(&self) -> Option<&CStr> {
        self.owned.first().map(CString::as_c_str)
    }
}

/// Turns this process into a program, which is looked for as execvp(3) does, by the `PATH` of `environment`.
///
/// Only for the child of a fork: it changes the variables of this process without a lock.
///
/// # Errors
/// Why it could not be executed; there is no other way to return.
pub(super) fn execute(arguments: &Strings, environment: &Strings) -> io::Result<Infallible> {
    let program = arguments.first().ok_or(io::ErrorKind::InvalidInput)?;
    // SAFETY: the process has one thread, and the pointers live for as long as it does.
    unsafe { libc::environ = environment.pointers.as_ptr().cast_mut().cast() };
    // SAFETY: both end with a null pointer, as the arguments do.
    unsafe { libc::execvp(program.as_ptr(), arguments.pointers.as_ptr()) };
    Err(io::Error::last_os_error())
}

/// Has a broken pipe end this process, and the program that it becomes, as anywhere else; Rust's runtime ignores it.
pub(super) fn end_by_broken_pipe() {
    // SAFETY: the default action installs no code. It cannot fail for this signal.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
}
