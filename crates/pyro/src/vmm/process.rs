//! A VMM process that never outlives its owner.

use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus};

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::UnixStream;

use super::console::Console;
use super::sys;

/// A running VMM. Dropping it kills the process and waits until it is gone.
#[derive(Debug)]
pub(crate) struct VmmProcess {
    child: Child,
    // Readable once the process has ended (pidfd_open(2)).
    pidfd: AsyncFd<OwnedFd>,
    messages: Console,
    status: Option<ExitStatus>,
}

impl VmmProcess {
    /// Takes charge of a started process, and of the stream that it writes its messages to.
    ///
    /// # Errors
    /// If the kernel gives no descriptor for it; the process is killed.
    pub(super) fn own(mut child: Child, messages: UnixStream) -> std::io::Result<Self> {
        match watch(&child) {
            Ok(pidfd) => Ok(Self {
                child,
                pidfd,
                messages: Console::read(messages),
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
    pub(super) async fn ended(&mut self) -> String {
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

    /// Kills the process and waits until it is gone.
    pub(super) async fn kill(&mut self) {
        // Fails only for a process that has ended already.
        let _ended_already = self.child.kill();
        let _how = self.ended().await;
    }

    /// The end of what it said.
    pub(super) async fn stderr_tail(&mut self) -> String {
        self.messages.tail().await
    }

    /// The memory that it uses now, in bytes.
    pub(super) fn resident_bytes(&self) -> Option<u64> {
        let status = fs_err::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.trim()
            .strip_suffix(" kB")?
            .parse::<u64>()
            .ok()
            .map(|kib| kib << 10)
    }
}

impl Drop for VmmProcess {
    fn drop(&mut self) {
        if self.status.is_none() {
            let _ended_already = self.child.kill();
            // A killed VMM ends in the time the kernel needs to free its memory.
            let _status = self.child.wait();
        }
    }
}

fn watch(child: &Child) -> std::io::Result<AsyncFd<OwnedFd>> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| std::io::Error::other("the process has no valid id"))?;
    sys::readable(pidfd_open(pid, PidfdFlags::NONBLOCK)?)
}
