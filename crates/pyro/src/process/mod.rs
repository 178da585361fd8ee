//! Child processes that never outlive their owner.

mod child;
mod identity;
mod launch;
mod ring;
mod running;
mod spawn;
pub(crate) mod strays;
pub(crate) mod sys;

use std::path::PathBuf;
use std::process::Command;

use rustix::fs::{Access, AtFlags, CWD};
use rustix::process::{Signal, getppid};

pub(crate) use child::OwnedChild;
pub(crate) use identity::{ProcessIdentity, start_time};
pub(crate) use launch::{Launch, Launched};
pub(crate) use ring::Ring;
pub(crate) use running::Running;
pub(crate) use spawn::{spawn, spawn_by};

/// Lets the kernel kill the command's process when this one ends, however it ends, and gives it a session of its own: the
/// terminal's Ctrl-C does not reach it, and it cannot ask there for a password. Such a command must be started by
/// [`spawn()`].
pub(crate) fn bind_to_owner(command: &mut Command) {
    let owner = rustix::process::getpid();
    sys::before_exec(command, move || {
        rustix::process::setsid()?;
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        // The owner may have ended before the signal was set.
        if getppid() == Some(owner) {
            Ok(())
        } else {
            Err(rustix::io::Errno::SRCH.into())
        }
    });
}

/// Finds a program that this user may execute in the directories, in their order.
pub(crate) fn find_program(search_path: &[PathBuf], name: &str) -> Option<PathBuf> {
    let executable = |path: &PathBuf| {
        path.is_file() && rustix::fs::accessat(CWD, path, Access::EXEC_OK, AtFlags::EACCESS).is_ok()
    };
    search_path.iter().map(|dir| dir.join(name)).find(executable)
}
