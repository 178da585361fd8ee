//! Every request, answer and event.
//!
//! | verb | host sends | agent sends |
//! | --- | --- | --- |
//! | `ping` | nothing | [`Done`] |
//! | `configure` | [`Configure`] | [`Done`] or [`Fault`] |
//! | `exec` | [`Exec`] or [`Attach`], then standard input | [`Started`], output, [`Ended`]; or [`Fault`] |
//! | `signal` | [`Signal`] | [`Done`] or [`Fault`] |
//! | `power-off` | nothing | [`Done`], once everything is on disk; then the machine stops |
//!
//! The verbs about files are in [`file`](crate::file).
//!
//! In plain frames, without HTTP/2, the host sends [`Configure`] and [`Exec`], and the agent what it sends in an `exec`
//! call; a [`Done`] there means that the rest is to be asked for by an [`Attach`].
//!
//! Field numbers are never reused. Unknown fields are ignored, so that either side may be newer.

use bytes::Bytes;

/// The path of a verb: `/pyro.v1/{verb}`.
pub const PATH_PREFIX: &str = "/pyro.v1/";

/// What a call asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Answers and does nothing.
    Ping,
    /// Gives the guest what must be its own: name, identity, time, randomness.
    Configure,
    /// Starts a command or finds one again, and follows it to its end.
    Exec,
    /// Signals or ends a command. A call of its own, so that standard input that nobody reads cannot hold it up.
    Signal,
    /// Writes everything to disk and ends the machine.
    PowerOff,
    /// Lists a directory of the workspace.
    ListFiles,
    /// Reads a part of a file.
    ReadFile,
    /// Writes a file.
    WriteFile,
    /// Compares the tree with its baseline, and reads both sides.
    Changes,
    /// Sends a part of the tree with its contents.
    Export,
    /// Puts many entries in place at once.
    Put,
}

impl Verb {
    /// Every verb.
    pub const ALL: [Self; 11] = [
        Self::Ping,
        Self::Configure,
        Self::Exec,
        Self::Signal,
        Self::PowerOff,
        Self::ListFiles,
        Self::ReadFile,
        Self::WriteFile,
        Self::Changes,
        Self::Export,
        Self::Put,
    ];

    /// The verb's name in a path.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ping => "ping",
            Self::Configure => "configure",
            Self::Exec => "exec",
            Self::Signal => "signal",
            Self::PowerOff => "power-off",
            Self::ListFiles => "list-files",
            Self::ReadFile => "read-file",
            Self::WriteFile => "write-file",
            Self::Changes => "changes",
            Self::Export => "export",
            Self::Put => "put",
        }
    }

    /// The verb of a request path, if it is one.
    pub fn from_path(path: &str) -> Option<Self> {
        let name = path.strip_prefix(PATH_PREFIX)?;
        Self::ALL.into_iter().find(|verb| verb.name() == name)
    }
}

/// Anything the host sends within a call.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct HostMessage {
    /// Which it is.
    #[prost(
        oneof = "host_message::Body",
        tags = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17"
    )]
    pub body: Option<host_message::Body>,
}

/// The kinds of [`HostMessage`].
pub mod host_message {
    use super::{Attach, Bytes, Configure, Exec, Signal};
    use crate::file::{Changes, Export, Fetch, ListFiles, Put, PutCommit, PutEntry, ReadFile, WriteFile};

    /// One message from the host.
    #[derive(Clone, PartialEq, Eq, prost::Oneof)]
    pub enum Body {
        /// The request of `configure`.
        #[prost(message, tag = "1")]
        Configure(Configure),
        /// The first message of `exec`: start this.
        #[prost(message, tag = "2")]
        Exec(Exec),
        /// The first message of `exec`: find this again.
        #[prost(message, tag = "3")]
        Attach(Attach),
        /// Bytes for the command's standard input.
        #[prost(bytes = "bytes", tag = "4")]
        Stdin(Bytes),
        /// The end of standard input.
        #[prost(bool, tag = "5")]
        StdinEnd(bool),
        /// The request of `signal`.
        #[prost(message, tag = "6")]
        Signal(Signal),
        /// The request of `list-files`.
        #[prost(message, tag = "7")]
        ListFiles(ListFiles),
        /// The request of `read-file`.
        #[prost(message, tag = "8")]
        ReadFile(ReadFile),
        /// The request of `write-file`.
        #[prost(message, tag = "9")]
        WriteFile(WriteFile),
        /// The request of `changes`.
        #[prost(message, tag = "10")]
        Changes(Changes),
        /// A question of `changes`.
        #[prost(message, tag = "11")]
        Fetch(Fetch),
        /// The request of `export`.
        #[prost(message, tag = "12")]
        Export(Export),
        /// The request of `put`.
        #[prost(message, tag = "13")]
        Put(Put),
        /// An entry of `put`.
        #[prost(message, tag = "14")]
        PutEntry(PutEntry),
        /// The end of `put`.
        #[prost(message, tag = "15")]
        PutCommit(PutCommit),
        /// Bytes of a file's content.
        #[prost(bytes = "bytes", tag = "16")]
        Data(Bytes),
        /// The end of a file's content.
        #[prost(bool, tag = "17")]
        DataEnd(bool),
    }
}

/// Anything the agent sends within a call.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct AgentMessage {
    /// Which it is.
    #[prost(
        oneof = "agent_message::Body",
        tags = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15"
    )]
    pub body: Option<agent_message::Body>,
}

/// The kinds of [`AgentMessage`].
pub mod agent_message {
    use super::{Bytes, Done, Ended, Fault, Started};
    use crate::file::{FileChanges, FileEntries, FileEntry, FileWritten, ListEnd, PutResult, ReadEnd};

    /// One message from the agent.
    #[derive(Clone, PartialEq, Eq, prost::Oneof)]
    pub enum Body {
        /// The request is done.
        #[prost(message, tag = "1")]
        Done(Done),
        /// The request is refused, or failed; nothing follows.
        #[prost(message, tag = "2")]
        Fault(Fault),
        /// The command runs, or is found again.
        #[prost(message, tag = "3")]
        Started(Started),
        /// Bytes from its standard output.
        #[prost(bytes = "bytes", tag = "4")]
        Stdout(Bytes),
        /// Bytes from its standard error.
        #[prost(bytes = "bytes", tag = "5")]
        Stderr(Bytes),
        /// The command ended and all its output was sent before; nothing follows.
        #[prost(message, tag = "6")]
        Ended(Ended),
        /// Some entries of a list.
        #[prost(message, tag = "7")]
        FileEntries(FileEntries),
        /// The end of a list.
        #[prost(message, tag = "8")]
        ListEnd(ListEnd),
        /// What is at one path.
        #[prost(message, tag = "9")]
        FileEntry(FileEntry),
        /// Bytes of a file's content.
        #[prost(bytes = "bytes", tag = "10")]
        Data(Bytes),
        /// The end of a file's content.
        #[prost(bool, tag = "11")]
        DataEnd(bool),
        /// The end of a part of a file.
        #[prost(message, tag = "12")]
        ReadEnd(ReadEnd),
        /// A file was written.
        #[prost(message, tag = "13")]
        FileWritten(FileWritten),
        /// Some changes.
        #[prost(message, tag = "14")]
        FileChanges(FileChanges),
        /// Everything was put.
        #[prost(message, tag = "15")]
        PutResult(PutResult),
    }
}

/// An answer that carries nothing.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Done {}

/// Why a request was refused or failed.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Fault {
    /// What kind of refusal it is.
    #[prost(enumeration = "FaultKind", tag = "1")]
    pub kind: i32,
    /// One sentence for people, without the request's name.
    #[prost(string, tag = "2")]
    pub message: String,
}

/// The kinds of [`Fault`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
#[repr(i32)]
pub enum FaultKind {
    /// The agent's own failure.
    Internal = 0,
    /// A value of the request cannot be used: a directory or a user that does not exist, a malformed message.
    InvalidArgument = 1,
    /// A shell string needs `/bin/sh` and the image has none.
    ShellMissing = 2,
    /// No command with this request id is known.
    UnknownCommand = 3,
    /// The agent does not know the request.
    Unsupported = 4,
    /// The machine could not be given what must be its own, so nothing was run.
    Unconfigured = 5,
    /// There is nothing at a path.
    PathNotFound = 6,
    /// A path leaves its tree, or what is written would go through a link.
    PathRefused = 7,
    /// What is at a path is of the wrong kind for the request.
    WrongFileType = 8,
    /// A stamp is not the expected one: somebody else changed the path meanwhile. Nothing was changed.
    Conflict = 9,
    /// The machine's disk is full. Nothing was changed.
    NoSpace = 10,
    /// The machine's disk did not take what was written, and may take nothing more.
    DiskFailed = 11,
}

/// What must be this machine's own, given after every boot and every restore.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Configure {
    /// The host name.
    #[prost(string, tag = "1")]
    pub hostname: String,
    /// 32 lowercase hexadecimal digits for `/etc/machine-id` (machine-id(5)).
    #[prost(string, tag = "2")]
    pub machine_id: String,
    /// The wall clock, in nanoseconds since the Unix epoch.
    #[prost(uint64, tag = "3")]
    pub realtime_ns: u64,
    /// Fresh random bytes for the kernel's generator (random(4), `RNDADDENTROPY`).
    #[prost(bytes = "bytes", tag = "4")]
    pub entropy: Bytes,
    /// From now on hellos are answered with this nonce; empty leaves the old one. Clones of one template differ by it.
    #[prost(bytes = "bytes", tag = "5")]
    pub nonce: Bytes,
    /// The tree at `/workspace`; a machine without one has no use for the verbs about files.
    #[prost(message, optional, tag = "6")]
    pub workspace: Option<crate::file::WorkspaceTree>,
}

/// A command to start.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Exec {
    /// Chosen by the host, unique within the machine's life. A second start with it is an [`Attach`] from the beginning.
    #[prost(string, tag = "1")]
    pub request_id: String,
    /// The argument vector; if [`shell`](Self::shell) is set, the vector for an image without `/bin/sh`, or empty.
    #[prost(bytes = "bytes", repeated, tag = "2")]
    pub argv: Vec<Bytes>,
    /// A string for `/bin/sh -lc`.
    #[prost(bytes = "bytes", optional, tag = "3")]
    pub shell: Option<Bytes>,
    /// `NAME=value` entries. HOME, USER, PATH, LANG and TERM are added where absent.
    #[prost(bytes = "bytes", repeated, tag = "4")]
    pub env: Vec<Bytes>,
    /// The working directory.
    #[prost(bytes = "bytes", tag = "5")]
    pub cwd: Bytes,
    /// Make the working directory if it is missing.
    #[prost(bool, tag = "6")]
    pub create_cwd: bool,
    /// `name`, `uid`, `name:group` or `uid:gid`, as in an OCI image's configuration; empty is root.
    #[prost(string, tag = "7")]
    pub user: String,
    /// How long it may run, in milliseconds; 0 is without limit.
    #[prost(uint64, tag = "8")]
    pub timeout_ms: u64,
    /// From TERM to KILL when the time is up, in milliseconds.
    #[prost(uint64, tag = "9")]
    pub grace_ms: u64,
    /// Whether standard input follows; otherwise it is empty.
    #[prost(bool, tag = "10")]
    pub stdin: bool,
    /// Run it in a root and namespaces of its own, of which no file, process or mount remains once its end is told. What
    /// remains is in the kernel's caches, and what root sets in the kernel itself, as by sysctl(8).
    #[prost(bool, tag = "11")]
    pub rehearsal: bool,
}

/// A command to find again after the connection broke.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Attach {
    /// The request id of its [`Exec`].
    #[prost(string, tag = "1")]
    pub request_id: String,
    /// Bytes of standard output that the host already has.
    #[prost(uint64, tag = "2")]
    pub stdout_offset: u64,
    /// Bytes of standard error that the host already has.
    #[prost(uint64, tag = "3")]
    pub stderr_offset: u64,
}

/// A signal to a running command, or its end.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Signal {
    /// The request id of its [`Exec`].
    #[prost(string, tag = "1")]
    pub request_id: String,
    /// The signal, by its Linux number, for every process of the command; 0 ends the command: TERM to every process,
    /// KILL after the grace, and the outcome is [`Outcome::Cancelled`].
    #[prost(int32, tag = "2")]
    pub number: i32,
    /// From TERM to KILL, in milliseconds.
    #[prost(uint64, tag = "3")]
    pub grace_ms: u64,
}

/// A command runs, or ran, in the guest.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Started {
    /// Its process id in the workload's own pid namespace; 0 if it could not be started.
    #[prost(uint32, tag = "1")]
    pub pid: u32,
    /// Bytes of standard input that the agent has; the host goes on from there.
    #[prost(uint64, tag = "2")]
    pub stdin_offset: u64,
}

/// How a command ended.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Ended {
    /// The kind of end.
    #[prost(enumeration = "Outcome", tag = "1")]
    pub outcome: i32,
    /// The exit status of an [`Outcome::Exited`] command; 126 or 127 of an [`Outcome::NotStarted`] one.
    #[prost(int32, tag = "2")]
    pub status: i32,
    /// The signal that ended the command's first process, or 0.
    #[prost(int32, tag = "3")]
    pub signal: i32,
    /// Whether the kernel killed a process of it for want of memory.
    #[prost(bool, tag = "4")]
    pub oom_killed: bool,
    /// From start to end of its first process, in microseconds, on the guest's clock.
    #[prost(uint64, tag = "5")]
    pub duration_us: u64,
    /// Processes of it that still run.
    #[prost(uint32, tag = "6")]
    pub left_running: u32,
    /// Why it was not started; empty otherwise.
    #[prost(string, tag = "7")]
    pub message: String,
    /// All bytes it wrote to standard output.
    #[prost(uint64, tag = "8")]
    pub stdout_bytes: u64,
    /// All bytes it wrote to standard error.
    #[prost(uint64, tag = "9")]
    pub stderr_bytes: u64,
}

/// The kinds of end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
#[repr(i32)]
pub enum Outcome {
    /// Nothing is known; never sent.
    Unknown = 0,
    /// It exited by itself.
    Exited = 1,
    /// A signal ended it that pyro did not send on its own account.
    Signaled = 2,
    /// Its program is missing (127) or cannot be executed (126).
    NotStarted = 3,
    /// Its time was up.
    TimedOut = 4,
    /// The host asked for its end.
    Cancelled = 5,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_is_found_by_its_path() {
        for verb in Verb::ALL {
            assert_eq!(
                Verb::from_path(&format!("{PATH_PREFIX}{}", verb.name())),
                Some(verb)
            );
        }
        assert_eq!(Verb::from_path("/pyro.v1/other"), None);
        assert_eq!(Verb::from_path("ping"), None);
    }
}
