//! What only unsafe code can say.
#![expect(
    unsafe_code,
    reason = "the standard library offers the hook, and the kernel close_range(2), only so"
)]

use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

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
