//! The operations of the library by their names in Python: what each takes, and what it does.

mod environment;
mod files;
mod keep;
mod run;
mod serve;
mod transfer;
mod vm;
mod workspace;

use std::pin::Pin;

use pyo3::prelude::*;
use pyro::{Error, Pyro, Workspace, WorkspaceRef};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::context::Context;
use crate::event::Event;
use crate::failure::CallError;
use crate::request;

/// What is asked of the library: the arguments of a method.
pub(crate) trait Request: DeserializeOwned + Send + 'static {
    /// What comes of it.
    type Output: Serialize + Send + 'static;

    /// Whether it ends by itself when the caller takes it back. All others are dropped then.
    const ENDS_ITSELF: bool = false;

    /// Does it.
    fn run(self, context: Context) -> impl Future<Output = Result<Self::Output, Error>> + Send;
}

/// Work that was asked for and is yet to begin; it never fails but by an event that says so.
pub(crate) type Work =
    Box<dyn FnOnce(Context) -> Pin<Box<dyn Future<Output = Result<Event, Error>> + Send>> + Send>;

macro_rules! operations {
    ($($name:literal => $request:ty,)+) => {
        /// Reads what is asked of an operation.
        ///
        /// # Errors
        /// `invalid-argument`, naming the argument.
        pub(crate) fn ask(name: &str, arguments: &Bound<'_, PyAny>) -> Result<Work, Error> {
            match name {
                $($name => work::<$request>(arguments),)+
                _ => Err(CallError::Unknown(name.to_owned()).into()),
            }
        }
    };
}

operations! {
    "list_environments" => environment::List,
    "pull_environment" => environment::Pull,
    "inspect_environment" => environment::Inspect,
    "prune_environments" => environment::Prune,
    "import_environment" => environment::Import,
    "build_environment" => environment::Build,
    "run_in_vm" => run::RunInVm,
    "create_vm" => vm::Create,
    "start_vm" => vm::Start,
    "stop_vm" => vm::Stop,
    "delete_vm" => vm::Delete,
    "status_vm" => vm::Status,
    "network_info_vm" => vm::NetworkInfo,
    "exec_vm" => vm::Exec,
    "reap_expired" => vm::ReapExpired,
    "create_workspace" => workspace::Create,
    "list_workspaces" => workspace::List,
    "status_workspace" => workspace::Status,
    "update_workspace" => workspace::Update,
    "delete_workspace" => workspace::Delete,
    "stop_workspace" => workspace::Stop,
    "start_workspace" => workspace::Start,
    "reset_workspace" => workspace::Reset,
    "exec_workspace" => workspace::Exec,
    "logs_workspace" => workspace::Logs,
    "kill_command" => workspace::Kill,
    "push_workspace_sync" => transfer::Push,
    "export_workspace" => transfer::Export,
    "diff_workspace" => transfer::Diff,
    "apply_workspace_patch" => transfer::ApplyPatch,
    "list_workspace_files" => files::List,
    "read_workspace_file" => files::Read,
    "write_workspace_file" => files::Write,
    "doctor" => keep::Doctor,
    "prepare" => keep::Prepare,
    "disk_usage" => keep::DiskUsage,
    "prune" => keep::Prune,
    "check_server" => serve::Check,
    "serve" => serve::Serve,
}

fn work<R: Request>(arguments: &Bound<'_, PyAny>) -> Result<Work, Error> {
    let request: R = request::read(arguments)?;
    Ok(Box::new(move |context| {
        Box::pin(async move { outcome(request, context).await.map(Event::done) })
    }))
}

async fn outcome<R: Request>(request: R, context: Context) -> Result<R::Output, Error> {
    if R::ENDS_ITSELF {
        return request.run(context).await;
    }
    let mut is_cancelled = context.is_cancelled.clone();
    tokio::select! {
        outcome = request.run(context) => outcome,
        Ok(_) = is_cancelled.wait_for(|is_cancelled| *is_cancelled) => Err(CallError::Cancelled.into()),
    }
}

/// The workspace with this id or name.
///
/// # Errors
/// `invalid-id`, `workspace-not-found`.
fn workspace_of(pyro: &Pyro, reference: &str) -> Result<Workspace, Error> {
    pyro.workspace(&reference.parse::<WorkspaceRef>()?)
}

/// Refuses every snapshot but the one that there is.
///
/// # Errors
/// `item-not-found`.
fn only_baseline(name: &str) -> Result<(), Error> {
    match name {
        "baseline" => Ok(()),
        _ => Err(CallError::NoSnapshot(name.to_owned()).into()),
    }
}
