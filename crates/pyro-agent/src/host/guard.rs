//! The process that the host starts: it waits for the server, and ends what that one left.

use std::io;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::process::{PidfdFlags, Signal, WaitOptions};

use super::processes;
use crate::sys::{self, Fork};

/// Forks. Returns in the server alone, with a descriptor of the guard, before any thread exists.
///
/// # Errors
/// When it cannot be forked, or the guard is gone already.
pub(super) fn begin() -> io::Result<OwnedFd> {
    // What a terminal sends to its processes is for the host to deal with. Whoever leads a group is in none of those.
    let _leads_already = rustix::process::setsid();
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    let own = rustix::process::getpid();
    let guard = rustix::process::pidfd_open(own, PidfdFlags::empty())?;
    match sys::fork()? {
        Fork::Parent(server) => {
            sys::close_descriptors(3);
            sys::close_descriptor(0);
            sys::exit_now(wait_for(server));
        }
        Fork::Child => {
            rustix::process::setsid()?;
            Ok(guard)
        }
    }
}

/// Waits for the end of the server, and ends everything else. Gives the server's exit status.
fn wait_for(server: rustix::process::Pid) -> i32 {
    let status = loop {
        match rustix::process::waitpid(Some(server), WaitOptions::empty()) {
            Ok(Some((_, status))) => break status.exit_status().unwrap_or(128 + Signal::KILL.as_raw()),
            Ok(None) | Err(Errno::INTR) => {}
            Err(_) => break 1,
        }
    };
    processes::end_all();
    status
}
