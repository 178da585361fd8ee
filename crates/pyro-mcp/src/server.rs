//! A server: its tools, and how a call finds one.

use std::sync::Arc;

use pyro::{BackgroundRuns, Error, Pyro};
use rmcp::model::{
    CallToolResult, ContentBlock, CreateTaskResult, JsonObject, ResourceContents, ResourceTemplate,
    Tool as ToolModel,
};
use rmcp::service::RequestContext;
use rmcp::task_manager::TaskManager;
use rmcp::{ErrorData, RoleServer};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::arguments::Arguments;
use crate::ending::{Ending, SHUTDOWN_GRACE};
use crate::failure::failure;
use crate::host_paths::HostPaths;
use crate::options::ServerOptions;
use crate::profile::{Profile, tools_of};
use crate::progress::progress;
use crate::project::ProjectSource;
use crate::resource;
use crate::selection::Selection;
use crate::task::GoesOn;
use crate::tool::{Answer, Call, Defaults, Definition, Tool};
use crate::words::Words;

/// An MCP server with the tools of one profile. Cheap to clone; clones serve the same tools and end together.
#[derive(Clone)]
pub struct Server {
    pyro: Pyro,
    /// One-shot runs, which may outlive their calls.
    runs: BackgroundRuns,
    options: Arc<ServerOptions>,
    defaults: Arc<Defaults>,
    offers: Arc<[Offer]>,
    host_paths: HostPaths,
    project: ProjectSource,
    words: Arc<Words>,
    ended: CancellationToken,
    /// Has one for each call that is under way.
    calls: TaskTracker,
    /// Calls that became tasks.
    tasks: TaskManager,
}

/// The same, where a call does without a VM only if it says that it may.
fn where_calls_ask_for_the_host(pyro: Pyro) -> Pyro {
    if !pyro.settings().allow_host_compat {
        return pyro;
    }
    let mut settings = pyro.settings().clone();
    settings.allow_host_compat = false;
    Pyro::open(settings)
}

/// What a call came to.
pub(crate) struct Called {
    pub(crate) result: CallToolResult,
    /// The rest of it, if its command goes on.
    pub(crate) goes_on: Option<GoesOn>,
}

/// A tool that this server has.
struct Offer {
    tool: &'static dyn Tool,
    definition: Definition,
    model: ToolModel,
}

impl Server {
    /// Makes a server with the tools of the options' profile.
    pub fn new(pyro: Pyro, mut options: ServerOptions) -> Self {
        options.allow_host_compat |= pyro.settings().allow_host_compat;
        let pyro = where_calls_ask_for_the_host(pyro);
        let settings = pyro.settings();
        let defaults = Defaults {
            profile: options.profile,
            environment: options
                .environment
                .clone()
                .unwrap_or_else(|| settings.environment.clone()),
            host_memory_mib: pyro.host_memory_mib(),
            has_project: options.project.is_there(),
            allow_host_compat: options.allow_host_compat,
        };
        let offers = tools_of(options.profile).filter_map(|tool| {
            let definition = tool.definition(&defaults);
            options
                .selection
                .has(tool.name(), definition.hints)
                .then(|| Offer {
                    tool,
                    model: definition.to_model(tool.name(), options.structured),
                    definition,
                })
        });
        let offers: Arc<[Offer]> = offers.collect();
        let names = offers.iter().map(|offer| offer.tool.name()).collect();
        Self {
            offers,
            host_paths: HostPaths::new(&options.allow_host_paths, options.project.directory()),
            project: ProjectSource::new(options.project.clone()),
            words: Arc::new(Words::new(settings, names)),
            runs: BackgroundRuns::new(&pyro),
            pyro,
            options: Arc::new(options),
            defaults: Arc::new(defaults),
            ended: CancellationToken::new(),
            calls: TaskTracker::new(),
            tasks: TaskManager::new(),
        }
    }

    /// The same server with the tools of another profile; both end together.
    pub(crate) fn narrowed(&self, profile: Profile) -> Self {
        let mut options = (*self.options).clone();
        options.profile = profile;
        Self {
            runs: self.runs.clone(),
            host_paths: self.host_paths.clone(),
            project: self.project.clone(),
            ended: self.ended.clone(),
            calls: self.calls.clone(),
            tasks: self.tasks.clone(),
            ..Self::new(self.pyro.clone(), options)
        }
    }

    /// The same server where clients cannot allow themselves paths of the host by announcing roots: those that are not
    /// on the host, or not the user's own.
    pub(crate) fn without_announced_roots(self) -> Self {
        Self {
            host_paths: self.host_paths.without_announced(),
            ..self
        }
    }

    /// Asks the client anew before its roots are used again.
    pub(crate) fn forget_announced(&self) {
        self.host_paths.forget_announced();
    }

    /// The tools that it has.
    pub(crate) fn profile(&self) -> Profile {
        self.options.profile
    }

    /// The tools as clients see them, in the order of their names.
    pub fn tools(&self) -> impl Iterator<Item = &ToolModel> {
        self.offers.iter().map(|offer| &offer.model)
    }

    /// Says that there is no tool of that name, and which there are.
    pub(crate) fn unknown_tool(&self, name: &str) -> String {
        let known: Vec<_> = self.tools().map(|tool| tool.name.as_ref()).collect();
        let name: String = name.chars().take(64).collect();
        format!("unknown tool `{name}`; known: {}", known.join(", "))
    }

    /// Whether it has a tool of that name.
    pub(crate) fn has_tool(&self, name: &str) -> bool {
        self.offers.iter().any(|offer| offer.tool.name() == name)
    }

    /// The resources that it has, by their templates.
    pub(crate) fn templates(&self) -> Vec<ResourceTemplate> {
        resource::templates(|name| self.has_tool(name))
    }

    /// Reads a resource.
    pub(crate) async fn read(&self, uri: &str) -> Result<Vec<ResourceContents>, ErrorData> {
        let has_tool = |name: &str| self.has_tool(name);
        resource::read(
            (&self.pyro, &self.runs, &self.options),
            &self.words,
            uri,
            has_tool,
        )
        .await
    }

    /// Fires when the server leaves: every call then ends, and its VM with it.
    pub(crate) fn ended(&self) -> &CancellationToken {
        &self.ended
    }

    /// Ends the runs that outlived their calls, with their VMs.
    pub(crate) async fn end_runs(&self) {
        self.runs.close(SHUTDOWN_GRACE).await;
    }

    /// Waits until no call is under way.
    pub(crate) async fn calls_ended(&self) {
        self.calls.close();
        self.calls.wait().await;
    }

    /// What a client is told about the server as a whole: nothing of tools that it does not have.
    pub(crate) fn instructions(&self) -> String {
        if self.options.selection == Selection::default() {
            self.options.profile.instructions(&self.defaults)
        } else {
            "pyro runs commands in Linux VMs, apart from this host. This server has only some of its tools."
                .to_owned()
        }
    }

    /// Calls a tool, for a client's request or, without one, for a program of this process; `None` if there is no such
    /// tool. Dropping the future cancels the call.
    pub(crate) async fn call(
        &self,
        name: &str,
        given: Option<JsonObject>,
        context: Option<RequestContext<RoleServer>>,
    ) -> Option<CallToolResult> {
        let called = self.begin(name, given, context).await?;
        Some(called.result)
    }

    /// Does the same, and hands over the rest of a call whose command goes on.
    pub(crate) async fn begin(
        &self,
        name: &str,
        given: Option<JsonObject>,
        context: Option<RequestContext<RoleServer>>,
    ) -> Option<Called> {
        let offer = self.offers.iter().find(|offer| offer.model.name == name)?;
        let _under_way = self.calls.token();
        let mut answer = self.answer(offer, given, context).await;
        let goes_on = answer.as_mut().ok().and_then(|answer| answer.goes_on.take());
        let result = self.result(offer, answer);
        Some(Called { result, goes_on })
    }

    /// Makes a task of the rest of a call of this tool.
    pub(crate) fn task(&self, name: &str, goes_on: GoesOn) -> Option<CreateTaskResult> {
        let index = self.offers.iter().position(|offer| offer.model.name == name)?;
        let server = self.clone();
        let result = move |answer| server.result(&server.offers[index], answer);
        Some(goes_on.into_task(&self.tasks, result))
    }

    /// The tasks of its clients.
    pub(crate) fn tasks(&self) -> &TaskManager {
        &self.tasks
    }

    /// Keeps the server from leaving before it is dropped.
    pub(crate) fn under_way(&self) -> TaskTrackerToken {
        self.calls.token()
    }

    fn result(&self, offer: &Offer, answer: Result<Answer, Error>) -> CallToolResult {
        match answer {
            Ok(answer) => success(answer),
            Err(error) => self.failed(offer, &error),
        }
    }

    /// The result of a call of a tool that failed; `None` if there is no such tool.
    pub(crate) fn failure(&self, name: &str, error: &Error) -> Option<CallToolResult> {
        let offer = self.offers.iter().find(|offer| offer.model.name == name)?;
        Some(self.failed(offer, error))
    }

    fn failed(&self, offer: &Offer, error: &Error) -> CallToolResult {
        let is_structured = offer.definition.is_structured(self.options.structured);
        failure(error, &self.words, is_structured)
    }

    async fn answer(
        &self,
        offer: &Offer,
        given: Option<JsonObject>,
        context: Option<RequestContext<RoleServer>>,
    ) -> Result<Answer, Error> {
        let definition = &offer.definition;
        let arguments = Arguments::parse(offer.tool.name(), &definition.parameters, given)?;
        let (progress, reporter) = progress(context.as_ref());
        let call = Call {
            pyro: self.pyro.clone(),
            runs: self.runs.clone(),
            options: Arc::clone(&self.options),
            host_memory_mib: self.defaults.host_memory_mib,
            host_paths: self.host_paths.clone(),
            project: self.project.clone(),
            words: Arc::clone(&self.words),
            ending: Ending {
                call: context
                    .as_ref()
                    .map_or_else(CancellationToken::new, |context| context.ct.clone()),
                server: self.ended.clone(),
            },
            progress,
            context,
        };
        let work = async move {
            let answer = offer.tool.call(&call, arguments).await;
            // The reporter ends with the call's half of it, so no notification follows the result.
            drop(call);
            answer
        };
        let (answer, ()) = tokio::join!(work, reporter.run());
        answer
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Server")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

fn success(answer: Answer) -> CallToolResult {
    let text = ContentBlock::text(answer.text);
    let mut result = CallToolResult::success([vec![text], answer.links].concat());
    result.structured_content = answer.structured;
    result
}
