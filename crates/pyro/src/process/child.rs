//! A child process and what it says.

use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::UnixStream;

use super::ring::Ring;
use super::sys;

/// A running child. Dropping it kills the process and waits until it is gone.
#[derive(Debug)]
pub(crate) struct OwnedChild {
    child: Child,
    // Readable once the process has ended (pidfd_open(2)).
    pidfd: AsyncFd<OwnedFd>,
    messages: Ring,
    status: Option<ExitStatus>,
}

impl OwnedChild {
    /// Takes charge of a started process, and of the stream that it writes its messages to.
    ///
    /// # Errors
    /// If the kernel gives no descriptor for it; the process is killed.
    pub(crate) fn own(mut child: Child, messages: UnixStream) -> std::io::Result<Self> {
        match watch(&child) {
            Ok(pidfd) => Ok(Self {
                child,
                pidfd,
                messages: Ring::read(messages),
                status: None,
            }),
            Err(error) => {
                child.kill()?;
                child.wait()?;
                Err(error)
            }
        }
    }

    /// Waits until the process has ended, and says how.
    pub(crate) async fn ended(&mut self) -> String {
        if self.status.is_none() {
            // An error here means that the runtime is shutting down; the wait below is then what is left.
            let _readiness = self
                .pidfd
                .ready(Interest::READABLE)
                .await
                .map(|mut guard| guard.retain_ready());
            self.status = self.child.wait().ok();
        }
        match self.status.map(|status| (status.code(), status.signal())) {
            Some((Some(code), _)) => format!("ended with exit status {code}"),
            Some((None, Some(signal))) => format!("was ended by signal {signal}"),
            Some((None, None)) | None => "ended".to_owned(),
        }
    }

    /// Whether the process has ended with exit status 0.
    pub(crate) fn succeeded(&self) -> bool {
        self.status.is_some_and(|status| status.success())
    }

    /// Kills the process and waits until it is gone.
    pub(crate) async fn kill(&mut self) {
        self.kill_group();
        let _how = self.ended().await;
    }

    /// Kills the process and those of its group. It was not waited for yet, so the numbers are still its own.
    fn kill_group(&mut self) {
        let group = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(group) = group {
            // Fails only if all have ended already, or if the child makes no group of its own.
            let _ended_already = rustix::process::kill_process_group(group, Signal::KILL);
        }
        let _ended_already = self.child.kill();
    }

    /// The end of what it said.
    pub(crate) async fn stderr_tail(&mut self) -> String {
        self.messages.tail().await
    }

    /// The memory that it uses now, in bytes.
    pub(crate) fn resident_bytes(&self) -> Option<u64> {
        let status = fs_err::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.trim()
            .strip_suffix(" kB")?
            .parse::<u64>()
            .ok()
            .map(|kib| kib << 10)
    }
}

impl Drop for OwnedChild {
    fn drop(&mut self) {
        if self.status.is_none() {
            self.kill_group();
            // A killed process ends in the time the kernel needs to free its memory.
            let _status = self.child.wait();
        }
    }
}

fn watch(child: &Child) -> std::io::Result<AsyncFd<OwnedFd>> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| std::io::Error::other("the process has no valid id"))?;
    sys::readable(pidfd_open(pid, PidfdFlags::NONBLOCK)?)
}
