//! Process 1: it forks the server before any thread exists, reaps, and ends the machine.
//!
//! The parent never runs a command, so its `wait` for any child cannot steal the status that the server waits for by
//! process id: those are the server's own children.

use std::fs;
use std::io;

use rustix::io::Errno;
use rustix::process::{Pid, WaitOptions};
use rustix::system::RebootCommand;

use crate::log;
use crate::sys::{self, Fork};

/// Returns in the server process; process 1 itself stays here until the machine ends.
///
/// # Errors
/// When this is not process 1, or the server cannot be forked.
pub(crate) fn become_init() -> io::Result<()> {
    if std::process::id() != 1 {
        return Err(io::Error::other("this program is the init of a pyro guest"));
    }
    match sys::fork()? {
        Fork::Parent(server) => reap_until(server),
        Fork::Child => Ok(()),
    }
}

/// Exempts this process from the guest's out-of-memory killer; commands are taken out again when they start.
pub(crate) fn refuse_oom_kill() -> io::Result<()> {
    fs::write("/proc/self/oom_score_adj", "-1000")
}

fn reap_until(server: Pid) -> ! {
    loop {
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(Some((pid, _))) if pid != server => {}
            // A signal may interrupt the wait; any other error means that the server is gone.
            Err(Errno::INTR) => {}
            Ok(_) | Err(_) => end_machine(),
        }
    }
}

/// The VMMs run machines so that a reboot ends them: it is the one way out that every VMM reports.
fn end_machine() -> ! {
    rustix::fs::sync();
    loop {
        if let Err(error) = rustix::system::reboot(RebootCommand::Restart) {
            log::error(&format!("cannot end the machine: {error}"));
        }
        let _ = rustix::process::wait(WaitOptions::empty());
    }
}
