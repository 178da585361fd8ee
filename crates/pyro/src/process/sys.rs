//! What only unsafe code can say.
#![expect(
    unsafe_code,
    reason = "the standard library offers the hook, and the kernel clone3(2) and close_range(2), only so"
)]

use std::ffi::{CStr, CString, c_char};
use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::ioctl::{self, Setter, Updater, opcode};
use rustix::process::Pid;
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
    // SAFETY: the caller, `bind_to_owner`, has a hook that makes nothing but system calls.
    unsafe { command.pre_exec(hook) };
}

/// Makes a child process (fork(2)), which runs `child` and ends with status 127 should that return.
///
/// The child is a copy of a process that may have had other threads: what it runs must make system calls only, allocate
/// nothing and take no lock (signal-safety(7)).
pub(crate) fn fork(child: impl FnOnce()) -> std::io::Result<Pid> {
    // SAFETY: the callers have children that make nothing but system calls.
    let result = unsafe { libc::fork() };
    continue_as(libc::c_long::from(result), child)
}

/// The same in the cgroup with this directory, which the child never was outside of. Where the kernel refuses that, no
/// child is made.
pub(crate) fn fork_into(cgroup: BorrowedFd<'_>, child: impl FnOnce()) -> std::io::Result<Pid> {
    let arguments = CloneArguments {
        flags: CLONE_INTO_CGROUP,
        exit_signal: u64::from(libc::SIGCHLD.cast_unsigned()),
        cgroup: u64::from(cgroup.as_raw_fd().cast_unsigned()),
        ..CloneArguments::default()
    };
    // SAFETY: without `CLONE_VM` this is fork(2), whose rules the callers' children obey; the kernel reads the structure.
    let result = unsafe {
        libc::syscall(
            libc::SYS_clone3,
            &raw const arguments,
            size_of::<CloneArguments>(),
        )
    };
    continue_as(result, child)
}

/// Goes on after a fork, in both processes.
fn continue_as(result: libc::c_long, child: impl FnOnce()) -> std::io::Result<Pid> {
    if result == 0 {
        child();
        // SAFETY: ends the process at once, without running anything.
        unsafe { libc::_exit(127) };
    }
    let pid = i32::try_from(result).ok().filter(|pid| *pid > 0);
    pid.and_then(Pid::from_raw)
        .ok_or_else(std::io::Error::last_os_error)
}

/// `struct clone_args` (clone(2)).
#[derive(Default)]
#[repr(C)]
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

/// The child begins in the cgroup that the arguments name.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// The arguments of a program, or its variables, in the form that execve(2) takes.
#[derive(Debug)]
pub(crate) struct StringVector<'a> {
    pointers: Vec<*const c_char>,
    strings: PhantomData<&'a [CString]>,
}

impl<'a> StringVector<'a> {
    /// Of these strings: arguments, of which the first is the program's name, or `NAME=value` entries.
    pub(crate) fn new(strings: &'a [CString]) -> Self {
        let pointers = strings.iter().map(|string| string.as_ptr());
        Self {
            pointers: pointers.chain([std::ptr::null()]).collect(),
            strings: PhantomData,
        }
    }
}

/// Becomes another program, with these variables alone. Returns only if that fails. Makes system calls only.
pub(crate) fn execute(
    program: &CStr,
    arguments: &StringVector<'_>,
    environment: &StringVector<'_>,
) -> std::io::Error {
    // SAFETY: the strings live as long as the vectors; both lists end with a null pointer.
    unsafe {
        libc::execve(
            program.as_ptr(),
            arguments.pointers.as_ptr(),
            environment.pointers.as_ptr(),
        )
    };
    std::io::Error::last_os_error()
}

/// Lets every signal in, and SIGPIPE end the process: what Rust's runtime ignores, a program would go on ignoring.
pub(crate) fn reset_signals() -> std::io::Result<()> {
    // SAFETY: the structure consists of integers, for which zero is a value: the empty set.
    let none: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: reads the set, and returns nothing.
    let unblocked =
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut()) };
    if unblocked != 0 {
        return Err(std::io::Error::from_raw_os_error(unblocked));
    }
    // SAFETY: the default action is no function of ours.
    let before = unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    if before == libc::SIG_ERR {
        return Err(std::io::Error::last_os_error());
    }
    Ok(())
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
