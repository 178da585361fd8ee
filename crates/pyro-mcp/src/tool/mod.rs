//! Tools: what they are, and which profile has which.

mod vm_run;

#[cfg(test)]
mod tests;

use std::pin::Pin;
use std::sync::Arc;

use pyro::Pyro;
use rmcp::RoleServer;
use rmcp::model::{self, JsonObject, ToolAnnotations};
use rmcp::service::RequestContext;
use serde_json::Value;

use crate::arguments::Arguments;
use crate::ending::Ending;
use crate::options::{ServerOptions, Structured};
use crate::profile::Profile;
use crate::schema::{Parameter, input_schema};

/// Every tool and the profiles that have it, in the order of the names.
const TOOLS: &[(&dyn Tool, &[Profile])] = &[(&vm_run::VmRun, &[Profile::VmRun])];

/// The tools of a profile, in the order of their names.
pub(crate) fn tools_of(profile: Profile) -> impl Iterator<Item = &'static dyn Tool> {
    TOOLS
        .iter()
        .filter(move |(_, profiles)| profiles.contains(&profile))
        .map(|(tool, _)| *tool)
}

/// One tool.
pub(crate) trait Tool: Send + Sync {
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
    /// The environment where a call names none.
    pub(crate) environment: String,
    /// The most memory that a VM can have.
    pub(crate) host_memory_mib: u64,
}

/// One call of a tool.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) pyro: Pyro,
    pub(crate) options: Arc<ServerOptions>,
    pub(crate) host_memory_mib: u64,
    pub(crate) ending: Ending,
    pub(crate) context: RequestContext<RoleServer>,
}

/// What a tool came to.
#[derive(Debug)]
pub(crate) struct Answer {
    /// For models.
    pub(crate) text: String,
    /// For programs, where the server's options ask for it.
    pub(crate) structured: Option<Value>,
}

/// What a tool is, for clients.
#[derive(Debug, Clone)]
pub(crate) struct Definition {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) description: String,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) hints: Hints,
    pub(crate) output_schema: JsonObject,
}

/// What a client may expect of a tool's effects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hints {
    /// It reaches beyond what pyro keeps.
    OpenWorld,
}

impl Hints {
    /// All four, for the protocol's defaults for absent ones are the pessimistic ones.
    fn annotations(self, title: &str) -> ToolAnnotations {
        ToolAnnotations::with_title(title)
            .read_only(false)
            .destructive(false)
            .idempotent(false)
            .open_world(self == Self::OpenWorld)
    }
}

impl Definition {
    /// The definition as the protocol has it.
    pub(crate) fn to_model(&self, structured: Structured) -> model::Tool {
        let tool = model::Tool::new(
            self.name,
            self.description.clone(),
            input_schema(&self.parameters),
        )
        .with_title(self.title)
        .with_annotations(self.hints.annotations(self.title));
        match structured {
            Structured::Auto => tool,
            Structured::All => tool.with_raw_output_schema(Arc::new(self.output_schema.clone())),
        }
    }
}
