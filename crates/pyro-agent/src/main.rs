//! Process 1 of every pyro guest; and on a host without guests, what runs commands there (`host/`).
//!
//! ```text
//!  process 1 (init)        forks before anything else, reaps orphans, ends the machine when the server ends
//!   └─ server              mounts, one current-thread runtime, the channel to the host, every command
//!       ├─ thread workload  its own mount and pid namespace, chrooted into the joined root; starts the commands
//!       ├─ workload's init  process 1 of the workload's pid namespace
//!       └─ commands
//! ```
//!
//! The agent stays in the initramfs: nothing the workload does to its own files can replace or blind it, and its
//! processes are not visible from the workload's pid namespace.

mod agent;
mod call;
mod channel;
mod exec;
mod files;
mod host;
mod identity;
mod init;
mod log;
mod plain;
mod power;
mod session;
mod setup;
mod sys;
mod wire;
mod workload;

use std::process::ExitCode;

fn main() -> ExitCode {
    if std::process::id() != 1 {
        return host::main(std::env::args_os().skip(1));
    }
    match init::become_init() {
        Ok(()) => agent::run(),
        Err(error) => {
            log::error(&format!("cannot start: {error}"));
            ExitCode::FAILURE
        }
    }
}
