//! What a caller asks of a run.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::Pyro;
use crate::argument::{self, InvalidArgument};
use crate::command::{Command, Stdin, Wanted};
use crate::isolation::IsolationFloor;
use crate::resources::Resources;
use crate::workspace::ExportRequest;

/// A command for a one-shot VM, with everything about it that can be chosen.
#[derive(Debug)]
#[non_exhaustive]
pub struct RunRequest {
    /// The environment; the settings' default if absent.
    pub environment: Option<String>,
    /// What to run.
    pub command: Command,
    /// The size of the VM.
    pub resources: Resources,
    /// The isolation demanded; the settings' default if absent.
    pub isolation: Option<IsolationFloor>,
    /// Whether it may run on this host itself, isolated by nothing, where no VM can. The settings may allow it too.
    pub allow_host_compat: bool,
    /// How long the command may run; `None` is without limit.
    pub timeout: Option<Duration>,
    /// How long the VM may be idle. A running command is activity, so it never cuts a command short.
    pub ttl: Duration,
    /// The working directory; if absent `/workspace` with a seed, else the image's.
    pub cwd: Option<String>,
    /// Variables for the command, on top of the image's.
    pub env: Vec<(String, OsString)>,
    /// The user, as `name`, `uid`, `name:group` or `uid:gid`; the image's if absent.
    pub user: Option<String>,
    /// The command's standard input.
    pub stdin: Stdin,
    /// The most output kept for the result, over both streams, in bytes; the settings' default if absent.
    pub output_limit: Option<u64>,
    /// A directory or tar archive of the host, with which `/workspace` begins.
    pub seed_path: Option<PathBuf>,
    /// Whether to take along what Git ignores in the seed.
    pub include_ignored: bool,
    /// What to bring out of `/workspace` once the command ended, however it did; not if the caller ended it.
    pub exports: Vec<ExportRequest>,
    /// Whether to say what differs in `/workspace` from its beginning once the command ended.
    pub return_diff: bool,
}

impl RunRequest {
    /// A request with every choice at its default.
    pub fn new(command: Command) -> Self {
        Self {
            environment: None,
            command,
            resources: Resources::default(),
            isolation: None,
            allow_host_compat: false,
            timeout: Some(argument::DEFAULT_TIMEOUT),
            ttl: argument::DEFAULT_VM_TTL,
            cwd: None,
            env: Vec::new(),
            user: None,
            stdin: Stdin::Empty,
            output_limit: None,
            seed_path: None,
            include_ignored: false,
            exports: Vec::new(),
            return_diff: false,
        }
    }
}

impl RunRequest {
    /// Checks everything that can be checked before any work starts.
    ///
    /// # Errors
    /// [`InvalidArgument`] for the first value that cannot be used.
    pub(super) fn validate(&self, pyro: &Pyro) -> Result<(), InvalidArgument> {
        let size = self.resources;
        let (vcpus, memory, disk) = (size.vcpu_count(), size.mem_mib(), size.disk_gib());
        Resources::new(vcpus.into(), memory.into(), disk.into(), pyro.host_memory_mib())?;
        argument::in_range("ttl_seconds", self.ttl.as_secs(), &argument::TTL_SECONDS)?;
        self.wanted().validate()
    }

    /// What is asked of the guest.
    pub(super) fn wanted(&self) -> Wanted<'_> {
        Wanted {
            command: &self.command,
            timeout: self.timeout,
            cwd: self.cwd.as_deref(),
            env: &self.env,
            user: self.user.as_deref(),
            has_stdin: matches!(self.stdin, Stdin::Reader(_)),
        }
    }
}
