//! Workspaces: their life and their commands.

use std::collections::BTreeMap;
use std::time::Duration;

use pyro::object::{
    LogEntry, WorkspaceDeletion, WorkspaceExec, WorkspaceInfo, WorkspaceList, WorkspaceLogs, WorkspaceState,
};
use pyro::{
    CreateRequest, Error, ExecRequest, LogStream, LogsRequest, Signal, UpdateRequest, WorkspaceFilter,
};
use serde::Deserialize;

use super::{Request, only_baseline, workspace_of};
use crate::context::Context;
use crate::failure::CallError;
use crate::patch_text;
use crate::request::{self, HostText};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Create {
    environment: Option<String>,
    vcpu_count: u64,
    mem_mib: u64,
    disk_gib: u64,
    ttl_seconds: u64,
    seed_path: Option<HostText>,
    include_ignored: bool,
    name: Option<String>,
    labels: Option<BTreeMap<String, String>>,
}

impl Request for Create {
    type Output = WorkspaceInfo;

    async fn run(self, context: Context) -> Result<Self::Output, Error> {
        let mut create = CreateRequest::default();
        create.environment = self.environment;
        create.resources = request::size(&context.pyro, self.vcpu_count, self.mem_mib, Some(self.disk_gib))?;
        create.ttl = Duration::from_secs(self.ttl_seconds);
        create.seed_path = self.seed_path.map(HostText::into_path);
        create.include_ignored = self.include_ignored;
        create.name = self.name.map(|name| name.parse()).transpose()?;
        create.labels = self.labels.unwrap_or_default();
        let mut progress = context.teller.on_environment();
        let workspace = context.pyro.create_workspace(&create, &mut progress).await?;
        workspace.status()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct List {
    /// Without a value: with any.
    labels: Option<BTreeMap<String, Option<String>>>,
    state: Option<WorkspaceState>,
}

impl Request for List {
    type Output = WorkspaceList;

    async fn run(self, context: Context) -> Result<Self::Output, Error> {
        let mut filter = WorkspaceFilter::default();
        filter.labels = self.labels.unwrap_or_default();
        filter.state = self.state;
        Ok(WorkspaceList::of(context.pyro.workspaces(&filter)?))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Update {
    workspace_id: String,
    name: Option<String>,
    clear_name: bool,
    labels: Option<BTreeMap<String, String>>,
    clear_labels: Option<Vec<String>>,
    ttl_seconds: Option<u64>,
}

impl Request for Update {
    type Output = WorkspaceInfo;

    async fn run(self, context: Context) -> Result<Self::Output, Error> {
        let mut update = UpdateRequest::default();
        update.name = match (self.name, self.clear_name) {
            (Some(_), true) => {
                return Err(CallError::argument("clear_name", "cannot be given with `name`").into());
            }
            (Some(name), false) => Some(Some(name.parse()?)),
            (None, true) => Some(None),
            (None, false) => None,
        };
        update.labels = self.labels.unwrap_or_default();
        update.clear_labels = self.clear_labels.unwrap_or_default();
        update.ttl = request::seconds(self.ttl_seconds);
        workspace_of(&context.pyro, &self.workspace_id)?
            .update(&update)
            .await
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Exec {
    workspace_id: String,
    command: Option<String>,
    argv: Option<Vec<HostText>>,
    timeout_seconds: Option<u64>,
    cwd: Option<String>,
    env: Option<BTreeMap<String, HostText>>,
    user: Option<String>,
    return_diff: bool,
}

impl Request for Exec {
    type Output = WorkspaceExec;

    const ENDS_ITSELF: bool = true;

    async fn run(self, mut context: Context) -> Result<Self::Output, Error> {
        let mut exec = ExecRequest::new(request::command(self.command, self.argv)?);
        exec.timeout = request::seconds(self.timeout_seconds);
        exec.cwd = self.cwd;
        exec.env = request::variables(self.env);
        exec.user = self.user;
        exec.return_diff = self.return_diff;
        exec.stdin = context.take_stdin();
        let run = workspace_of(&context.pyro, &self.workspace_id)?.start_exec(exec);
        let mut done = context.follow(run).await?;
        if let Some(diff) = &mut done.diff {
            patch_text::fit(diff);
        }
        Ok(done)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Logs {
    workspace_id: String,
    sequence: Option<u64>,
    stream: Streams,
    offset: u64,
    limit: usize,
    wait_seconds: u64,
}

/// Which streams to show.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Streams {
    Both,
    Stdout,
    Stderr,
}

impl Request for Logs {
    type Output = WorkspaceLogs;

    async fn run(self, context: Context) -> Result<Self::Output, Error> {
        let workspace = workspace_of(&context.pyro, &self.workspace_id)?;
        if let Some(sequence) = self.sequence.filter(|_| self.wait_seconds > 0) {
            workspace
                .wait_for_command(sequence, Duration::from_secs(self.wait_seconds))
                .await?;
        }
        let mut logs = LogsRequest::default();
        logs.sequence = self.sequence;
        logs.tail = self.limit;
        logs.offset = self.offset;
        logs.stream = match self.stream {
            Streams::Both => LogStream::Both,
            Streams::Stdout => LogStream::Stdout,
            Streams::Stderr => LogStream::Stderr,
        };
        workspace.logs(&logs)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kill {
    workspace_id: String,
    sequence: u64,
    signal_name: String,
}

impl Request for Kill {
    type Output = LogEntry;

    async fn run(self, context: Context) -> Result<Self::Output, Error> {
        let workspace = workspace_of(&context.pyro, &self.workspace_id)?;
        workspace
            .kill_command(self.sequence, self.signal_name.parse::<Signal>()?)
            .await
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reset {
    workspace_id: String,
    snapshot: String,
}

impl Request for Reset {
    type Output = WorkspaceInfo;

    async fn run(self, context: Context) -> Result<Self::Output, Error> {
        only_baseline(&self.snapshot)?;
        workspace_of(&context.pyro, &self.workspace_id)?.reset().await
    }
}

/// What is asked of a workspace by its id or name alone.
macro_rules! of_a_workspace {
    ($($name:ident -> $output:ty, |$workspace:ident| $body:expr;)+) => {$(
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(super) struct $name {
            workspace_id: String,
        }

        impl Request for $name {
            type Output = $output;

            async fn run(self, context: Context) -> Result<Self::Output, Error> {
                let $workspace = workspace_of(&context.pyro, &self.workspace_id)?;
                $body
            }
        }
    )+};
}

of_a_workspace! {
    Status -> WorkspaceInfo, |workspace| workspace.status();
    Delete -> WorkspaceDeletion, |workspace| workspace.delete().await;
    Stop -> WorkspaceInfo, |workspace| workspace.stop().await;
    Start -> WorkspaceInfo, |workspace| workspace.start().await;
}
