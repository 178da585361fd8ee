//! A child process and what it says.

use std::os::fd::OwnedFd;

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::UnixStream;

use super::ring::Ring;
use super::running::Running;
use super::sys;

/// A running child. Dropping it kills the process and waits until it is gone.
#[derive(Debug)]
pub(crate) struct OwnedChild {
    process: Running,
    // Readable once the process has ended (pidfd_open(2)).
    pidfd: AsyncFd<OwnedFd>,
    messages: Ring,
}

impl OwnedChild {
    /// Takes charge of a started process, and of the stream that it writes its messages to.
    ///
    /// # Errors
    /// If the kernel gives no descriptor for it; the process is killed.
    pub(crate) fn own(process: Running, messages: UnixStream) -> std::io::Result<Self> {
        let pidfd = sys::readable(pidfd_open(process.pid(), PidfdFlags::NONBLOCK)?)?;
        Ok(Self {
            process,
            pidfd,
            messages: Ring::read(messages),
        })
    }

    /// Its number, which stays its own until it was waited for.
    pub(crate) fn pid(&self) -> Pid {
        self.process.pid()
    }

    /// Waits until the process has ended, and says how.
    pub(crate) async fn ended(&mut self) -> String {
        if self.process.status().is_none() {
            // An error here means that the runtime is shutting down; the wait below is then what is left.
            let _readiness = self
                .pidfd
                .ready(Interest::READABLE)
                .await
                .map(|mut guard| guard.retain_ready());
        }
        let status = self.process.wait();
        match status.map(|status| (status.exit_status(), status.terminating_signal())) {
            Some((Some(code), _)) => format!("ended with exit status {code}"),
            Some((None, Some(signal))) => format!("was ended by signal {signal}"),
            Some((None, None)) | None => "ended".to_owned(),
        }
    }

    /// Whether the process has ended with exit status 0.
    pub(crate) fn succeeded(&self) -> bool {
        let status = self.process.status();
        status.is_some_and(|status| status.exit_status() == Some(0))
    }

    /// Kills the process and waits until it is gone.
    pub(crate) async fn kill(&mut self) {
        self.process.kill();
        let _how = self.ended().await;
    }

    /// The end of what it said.
    pub(crate) async fn stderr_tail(&mut self) -> String {
        self.messages.tail().await
    }

    /// The memory that it uses now, in bytes.
    pub(crate) fn resident_bytes(&self) -> Option<u64> {
        let process = self.process.pid().as_raw_nonzero();
        let status = fs_err::read_to_string(format!("/proc/{process}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.trim()
            .strip_suffix(" kB")?
            .parse::<u64>()
            .ok()
            .map(|kib| kib << 10)
    }
}
