//! `pyro workspace`: machines that stay.

mod cp;
mod create;
mod delete;
mod diff;
mod exec;
pub(super) mod export;
mod file;
pub(super) mod guest_path;
mod kill;
mod list;
mod log_stream;
mod logs;
mod patch;
mod reset;
mod snapshot;
mod start;
mod status;
mod stop;
mod sync;
mod update;

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use pyro::object::{SeedMode, WorkspaceInfo, WorkspaceSeed};
use pyro::{Pyro, Result, Workspace};

use crate::complete;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::format;
use crate::table::{Table, escaped};
use crate::ui::Ui;
use crate::when;

/// Make, use and remove workspaces: machines that stay
#[derive(Debug, Args)]
#[command(
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    after_help = "Example:\n  pyro workspace create --name alpha\n  pyro workspace exec alpha -- git --version"
)]
pub(crate) struct WorkspaceArgs {
    #[command(subcommand)]
    command: WorkspaceCommand,
}

#[derive(Debug, Subcommand)]
enum WorkspaceCommand {
    Create(create::Create),
    List(list::List),
    Status(status::Status),
    Update(update::Update),
    Exec(exec::Exec),
    Logs(logs::Logs),
    Kill(kill::Kill),
    File(file::FileArgs),
    Diff(diff::Diff),
    Patch(patch::PatchArgs),
    Sync(sync::SyncArgs),
    Cp(cp::Cp),
    Export(export::Export),
    Stop(stop::Stop),
    Start(start::Start),
    Reset(reset::Reset),
    Delete(delete::Delete),
}

/// Which workspace.
#[derive(Debug, Args)]
pub(crate) struct Which {
    /// Id or name of the workspace
    #[arg(value_name = "ID", add = complete::workspaces())]
    id: String,
}

impl Which {
    fn find(&self, pyro: &Pyro) -> Result<Workspace> {
        pyro.workspace(&self.id.parse()?)
    }

    /// What it was called by.
    fn given(&self) -> &str {
        &self.id
    }
}

/// Does what the command asks.
pub(crate) fn execute(workspace: WorkspaceArgs, pyro: &Pyro, ui: Ui) -> Result<Exit> {
    match workspace.command {
        WorkspaceCommand::Create(create) => create::execute(create, pyro, ui),
        WorkspaceCommand::List(list) => list::execute(&list, pyro, ui),
        WorkspaceCommand::Status(status) => status::execute(&status, pyro, ui),
        WorkspaceCommand::Update(update) => update::execute(update, pyro, ui),
        WorkspaceCommand::Exec(exec) => exec::execute(exec, pyro, ui),
        WorkspaceCommand::Logs(logs) => logs::execute(&logs, pyro, ui),
        WorkspaceCommand::Kill(kill) => kill::execute(&kill, pyro, ui),
        WorkspaceCommand::File(file) => file::execute(file, pyro, ui),
        WorkspaceCommand::Diff(diff) => diff::execute(&diff, pyro, ui),
        WorkspaceCommand::Patch(patch) => patch::execute(patch, pyro, ui),
        WorkspaceCommand::Sync(sync) => sync::execute(sync, pyro, ui),
        WorkspaceCommand::Cp(cp) => cp::execute(&cp, pyro, ui),
        WorkspaceCommand::Export(export) => export::execute(&export, pyro, ui),
        WorkspaceCommand::Stop(stop) => stop::execute(&stop, pyro, ui),
        WorkspaceCommand::Start(start) => start::execute(&start, pyro, ui),
        WorkspaceCommand::Reset(reset) => reset::execute(&reset, pyro, ui),
        WorkspaceCommand::Delete(delete) => delete::execute(&delete, pyro, ui),
    }
}

/// Splits `KEY=VALUE` at the first `=`.
fn label(given: &str) -> Result<(String, String), Failure> {
    match given.split_once('=') {
        Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
        None => Err(Failure::invalid(
            format!("a label must be KEY=VALUE, got `{given}`"),
            "write for example `--label branch=main`",
        )),
    }
}

fn labels(given: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    given.iter().map(|given| label(given)).collect()
}

/// What a workspace began with, if there was something.
fn seed(seed: &WorkspaceSeed) -> Option<String> {
    let source = match (&seed.seed_path, &seed.origin_ref) {
        (Some(path), _) => escaped(&path.to_string_lossy()),
        (None, Some(commit)) => format!("a repository at {commit}"),
        (None, None) if seed.mode == SeedMode::Empty => return None,
        (None, None) => "a repository".to_owned(),
    };
    let mut text = format!(
        "{source} ({}, {}",
        format::count(seed.entry_count, "entry"),
        format::size(seed.bytes_written)
    );
    if seed.ignored_count > 0 {
        text.push_str(&format!(", {} ignored by Git", seed.ignored_count));
    }
    if !seed.skipped.is_empty() {
        text.push_str(&format!(", {} skipped", seed.skipped.len()));
    }
    text.push(')');
    Some(text)
}

/// A workspace for people.
fn describe(info: &WorkspaceInfo) -> String {
    let mut table = Table::new();
    let mut row = |name: &str, value: String| table.push([name.to_owned(), value]);
    row("id", info.workspace_id.to_string());
    if let Some(name) = &info.name {
        row("name", name.to_string());
    }
    for (key, value) in &info.labels {
        row("label", format!("{key}={value}"));
    }
    let mut state = info.state.as_str().to_owned();
    if let Some(reason) = info.stop_reason {
        state = format!("{state} ({})", format::name(reason));
    }
    row("state", state);
    if let (Some(isolation), Some(vmm)) = (info.isolation, info.vmm) {
        row("isolation", format!("{isolation}/{}", format::name(vmm)));
    }
    row("environment", info.environment.clone());
    row(
        "size",
        format!(
            "{} vCPU, {} MiB, {} GiB of disk ({} used)",
            info.vcpu_count,
            info.mem_mib,
            info.disk_gib,
            format::size(info.disk_used_bytes)
        ),
    );
    if let Some(seed) = seed(&info.workspace_seed) {
        row("seed", seed);
    }
    row("created", when::relative(&info.created_at));
    row("last used", when::relative(&info.last_activity_at));
    if let Some(expires_at) = &info.expires_at {
        row("expires", when::relative(expires_at));
    }
    row(
        "commands",
        format!("{} ({} in all)", info.command_count, info.total_command_count),
    );
    row("resets", info.reset_count.to_string());
    if let Some(error) = &info.last_error {
        row("last error", error.clone());
    }
    table.render()
}
