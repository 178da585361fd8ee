//! Tools: what they are and what one call of them is. Which profile has which is written in [`crate::profile`].

mod common;
mod one_shot;
mod vm;
mod vm_run;
mod workspace;

#[cfg(test)]
mod tests;

use std::pin::Pin;
use std::sync::Arc;

use pyro::{BackgroundRuns, Pyro, Vm, VmId, Workspace, WorkspaceRef};
use rmcp::RoleServer;
use rmcp::model::{self, ContentBlock, JsonObject, ToolAnnotations};
use rmcp::service::RequestContext;
use serde::Serialize;
use serde_json::Value;

pub(crate) use vm::{
    VmCreate, VmDelete, VmExec, VmListEnvironments, VmNetworkInfo, VmReapExpired, VmStart, VmStatus, VmStop,
};
pub(crate) use vm_run::VmRun;
pub(crate) use workspace::{
    Create, Delete, Diff, Exec, Export, FileList, FileRead, FileWrite, List, Logs, PatchApply, Reset, Start,
    Status, Stop, SyncPush, Update,
};

use crate::arguments::Arguments;
use crate::ending::Ending;
use crate::host_paths::HostPaths;
use crate::isolated;
use crate::options::{ServerOptions, Structured};
use crate::profile::Profile;
use crate::progress::Progress;
use crate::project::ProjectSource;
use crate::schema::{Parameter, input_schema};
use crate::task::GoesOn;
use crate::words::Words;

/// One tool.
pub(crate) trait Tool: Send + Sync {
    /// Its name.
    fn name(&self) -> &'static str;

    /// Describes it for clients.
    fn definition(&self, defaults: &Defaults) -> Definition;

    /// Does its work. The arguments have passed the check against the definition's parameters.
    fn call<'a>(&'a self, call: &'a Call, arguments: Arguments) -> Work<'a>;
}

/// What a tool does, until it is done.
pub(crate) type Work<'a> = Pin<Box<dyn Future<Output = pyro::Result<Answer>> + Send + 'a>>;

/// What descriptions and schemas depend on. Fixed when the server starts.
#[derive(Debug, Clone)]
pub(crate) struct Defaults {
    /// The profile that the tool is offered in.
    pub(crate) profile: Profile,
    /// The environment where a call names none.
    pub(crate) environment: String,
    /// The most memory that a VM can have.
    pub(crate) host_memory_mib: u64,
    /// Whether workspaces start from a project where a call names no seed.
    pub(crate) has_project: bool,
    /// Whether a call may do without a VM.
    pub(crate) allow_host_compat: bool,
}

/// One call of a tool.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) pyro: Pyro,
    pub(crate) runs: BackgroundRuns,
    pub(crate) options: Arc<ServerOptions>,
    pub(crate) host_memory_mib: u64,
    pub(crate) host_paths: HostPaths,
    pub(crate) project: ProjectSource,
    pub(crate) words: Arc<Words>,
    pub(crate) ending: Ending,
    /// Takes what the client may want to know meanwhile; that it is worked at, it hears in any case.
    pub(crate) progress: Progress,
    /// The client's request; a program that calls tools itself has none.
    pub(crate) context: Option<RequestContext<RoleServer>>,
}

impl Call {
    /// The workspace that the arguments name.
    pub(crate) fn workspace(&self, arguments: &Arguments) -> pyro::Result<Workspace> {
        let reference: WorkspaceRef = arguments.text("workspace_id").parse()?;
        isolated::workspace(&self.pyro, &reference, &self.options)
    }

    /// The one-shot VM that the arguments name.
    pub(crate) fn vm(&self, arguments: &Arguments) -> pyro::Result<Vm> {
        let id: VmId = arguments.text("vm_id").parse()?;
        isolated::vm(&self.pyro, &id, &self.options)
    }

    /// The structured form of a result whose payload is text, if the server was asked for it.
    pub(crate) fn where_asked_for(&self, object: impl FnOnce() -> Value) -> Option<Value> {
        self.options.structured.where_asked_for(object)
    }
}

/// What a tool came to.
#[derive(Debug)]
pub(crate) struct Answer {
    /// For models.
    pub(crate) text: String,
    /// For programs, where the tool declares a schema of it.
    pub(crate) structured: Option<Value>,
    /// Links to what the text had to leave out.
    pub(crate) links: Vec<ContentBlock>,
    /// The rest of the call, if its command goes on.
    pub(crate) goes_on: Option<GoesOn>,
}

impl Answer {
    /// A record, and its text made from the same object.
    pub(crate) fn record(object: Value, text: impl FnOnce(&Value) -> String) -> Self {
        Self {
            text: text(&object),
            structured: Some(object),
            links: Vec::new(),
            goes_on: None,
        }
    }
}

/// An object of the contract as JSON.
pub(crate) fn object(object: &impl Serialize) -> Value {
    // Objects have text as keys and no numbers but finite ones: nothing of them can fail.
    serde_json::to_value(object).unwrap_or_default()
}

/// What a tool is, for clients.
#[derive(Debug, Clone)]
pub(crate) struct Definition {
    pub(crate) title: &'static str,
    pub(crate) description: String,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) hints: Hints,
    pub(crate) payload: Payload,
    pub(crate) output_schema: JsonObject,
}

/// What the results of a tool are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Payload {
    /// Text; they have a structured form only where the server's options ask for it.
    Text,
    /// Fields; they always have a structured form.
    Record,
}

/// What a client may expect of a tool's effects: the hints that are true.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hints {
    /// It changes nothing.
    ReadOnly,
    /// It may remove something, and doing it twice is doing it once.
    Destructive,
    /// It may remove something, and reaches beyond what pyro keeps.
    DestructiveOpenWorld,
    /// Doing it twice is doing it once.
    Idempotent,
    /// It reaches beyond what pyro keeps.
    OpenWorld,
    /// None.
    Nothing,
}

impl Hints {
    /// Whether the tool changes nothing.
    pub(crate) fn is_read_only(self) -> bool {
        self == Self::ReadOnly
    }

    /// All four, for the protocol's defaults for absent ones are the pessimistic ones.
    fn annotations(self, title: &str) -> ToolAnnotations {
        ToolAnnotations::with_title(title)
            .read_only(self.is_read_only())
            .destructive(matches!(self, Self::Destructive | Self::DestructiveOpenWorld))
            .idempotent(matches!(
                self,
                Self::ReadOnly | Self::Destructive | Self::Idempotent
            ))
            .open_world(matches!(self, Self::OpenWorld | Self::DestructiveOpenWorld))
    }
}

impl Definition {
    /// Whether its results have a structured form.
    pub(crate) fn is_structured(&self, structured: Structured) -> bool {
        structured == Structured::All || self.payload == Payload::Record
    }

    /// The definition as the protocol has it.
    pub(crate) fn to_model(&self, name: &'static str, structured: Structured) -> model::Tool {
        let tool = model::Tool::new(name, self.description.clone(), input_schema(&self.parameters))
            .with_title(self.title)
            .with_annotations(self.hints.annotations(self.title));
        if self.is_structured(structured) {
            tool.with_raw_output_schema(Arc::new(self.output_schema.clone()))
        } else {
            tool
        }
    }
}
