//! What only unsafe code can say.
#![expect(
    unsafe_code,
    reason = "the standard library offers the hook, and the kernel close_range(2), only so"
)]

use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::ioctl::{self, Setter, Updater, opcode};
use rustix::thread::UnshareFlags;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Runs the hook in the child, just before the program is executed.
///
/// The hook runs in a copy of a process that may have had other threads: it must make system calls only, allocate
/// nothing and take no lock (signal-safety(7)).
pub(crate) fn before_exec(
    command: &mut Command,
    hook: impl FnMut() -> std::io::Result<()> + Send + Sync + 'static,
) {
    // SAFETY: the callers, `bind_to_owner` and `confine`, have hooks that make nothing but system calls.
    unsafe { command.pre_exec(hook) };
}

/// Marks every descriptor from 3 on to be closed at exec.
pub(crate) fn close_all_on_exec() -> std::io::Result<()> {
    let flags = libc::CLOSE_RANGE_CLOEXEC.cast_signed();
    // SAFETY: sets a flag on descriptors and closes none.
    let result = unsafe { libc::close_range(3, u32::MAX, flags) };
    if result == 0 {
        Ok(())
    } else {
        Err(std::io::Error::last_os_error())
    }
}

/// Leaves the namespaces of the host.
pub(crate) fn leave_namespaces(flags: UnshareFlags) -> rustix::io::Result<()> {
    // SAFETY: the flags in use never include `FILES`, which is what the function is unsafe for.
    unsafe { rustix::thread::unshare_unsafe(flags) }
}

/// Tells when a descriptor becomes readable. Must be called within a tokio runtime.
pub(crate) fn readable(descriptor: OwnedFd) -> std::io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` stays open and keeps its number for as long as it lives.
    unsafe { AsyncFd::register_with_interest(descriptor, Interest::READABLE) }.map_err(Into::into)
}

/// One instruction of a system-call filter (`struct sock_filter`, seccomp(2)).
pub(crate) type FilterInstruction = libc::sock_filter;

/// A held-up system call (`struct seccomp_notif`, `seccomp_unotify(2)`).
#[derive(Debug, Clone, Copy)]
pub(crate) struct HeldCall {
    /// Names the call until it is answered.
    pub(crate) id: u64,
    /// The thread that made it.
    pub(crate) thread: u32,
    /// Its number.
    pub(crate) number: i32,
    /// Its arguments.
    pub(crate) arguments: [u64; 6],
}

/// How a held-up system call goes on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Verdict<'a> {
    /// It returns a new descriptor of this file.
    Give(&'a OwnedFd),
    /// It returns 0, as what it asks for has been done.
    Done,
    /// The kernel carries it out as if nobody had looked.
    Continue,
}

const RECEIVE: ioctl::Opcode = opcode::read_write::<libc::seccomp_notif>(b'!', 0);
const SEND: ioctl::Opcode = opcode::read_write::<libc::seccomp_notif_resp>(b'!', 1);
const ADD_DESCRIPTOR: ioctl::Opcode = opcode::write::<libc::seccomp_notif_addfd>(b'!', 3);

/// Installs a system-call filter in this thread, and returns the descriptor on which the calls arrive that it holds up.
///
/// Needs no privileges once `no_new_privs` is set (seccomp(2)). Makes system calls only.
pub(crate) fn install_filter(program: &[FilterInstruction]) -> std::io::Result<OwnedFd> {
    let program = libc::sock_fprog {
        len: u16::try_from(program.len()).unwrap_or(u16::MAX),
        filter: program.as_ptr().cast_mut(),
    };
    // SAFETY: the kernel reads as many instructions as there are and writes nothing.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_NEW_LISTENER,
            &raw const program,
        )
    };
    match i32::try_from(result) {
        // SAFETY: the call has just made this descriptor, and nobody else knows of it.
        Ok(listener) if listener >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(listener) }),
        _ => Err(std::io::Error::last_os_error()),
    }
}

/// The next held-up call.
///
/// # Errors
/// `ENOENT` if its thread died meanwhile; anything else is the end.
pub(crate) fn receive_held_call(listener: impl AsFd) -> rustix::io::Result<HeldCall> {
    // SAFETY: the structure consists of integers, for which zero is a value; the kernel demands zeros.
    let mut call: libc::seccomp_notif = unsafe { std::mem::zeroed() };
    // SAFETY: number and structure are those of SECCOMP_IOCTL_NOTIF_RECV.
    let request = unsafe { Updater::<RECEIVE, libc::seccomp_notif>::new(&mut call) };
    // SAFETY: the descriptor is a listener's, as the request wants.
    unsafe { ioctl::ioctl(listener, request) }?;
    Ok(HeldCall {
        id: call.id,
        thread: call.pid,
        number: call.data.nr,
        arguments: call.data.args,
    })
}

/// Lets a held-up call go on.
///
/// # Errors
/// `ENOENT` if its thread died meanwhile.
pub(crate) fn answer_held_call(
    listener: impl AsFd,
    call: HeldCall,
    verdict: Verdict<'_>,
) -> rustix::io::Result<()> {
    match verdict {
        Verdict::Give(file) => {
            let descriptor = libc::seccomp_notif_addfd {
                id: call.id,
                flags: u32::try_from(libc::SECCOMP_ADDFD_FLAG_SEND).unwrap_or(2),
                srcfd: file.as_raw_fd().cast_unsigned(),
                newfd: 0,
                newfd_flags: libc::O_CLOEXEC.cast_unsigned(),
            };
            // SAFETY: number and structure are those of SECCOMP_IOCTL_NOTIF_ADDFD, which only reads it.
            let request = unsafe { Setter::<ADD_DESCRIPTOR, libc::seccomp_notif_addfd>::new(descriptor) };
            // SAFETY: the descriptor is a listener's, as the request wants.
            unsafe { ioctl::ioctl(listener, request) }
        }
        Verdict::Done | Verdict::Continue => {
            let flags = match verdict {
                Verdict::Continue => u32::try_from(libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE).unwrap_or(1),
                _ => 0,
            };
            let mut answer = libc::seccomp_notif_resp {
                id: call.id,
                val: 0,
                error: 0,
                flags,
            };
            // SAFETY: number and structure are those of SECCOMP_IOCTL_NOTIF_SEND.
            let request = unsafe { Updater::<SEND, libc::seccomp_notif_resp>::new(&mut answer) };
            // SAFETY: the descriptor is a listener's, as the request wants.
            unsafe { ioctl::ioctl(listener, request) }
        }
    }
}
