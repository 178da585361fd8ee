//! The protocol handler: what is listed, and how a call finds its tool.

use std::sync::Arc;

use pyro::{BackgroundRuns, Error, Pyro};
use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, CallToolResult, CompleteRequestMethod,
    CompleteRequestParams, CompleteResult, ContentBlock, DiscoverResult, Implementation, JsonObject,
    ListPromptsRequestMethod, ListPromptsResult, ListResourceTemplatesRequestMethod,
    ListResourceTemplatesResult, ListResourcesRequestMethod, ListResourcesResult, ListToolsResult,
    PaginatedRequestParams, ProtocolVersion, ReadResourceRequestMethod, ReadResourceRequestParams,
    ReadResourceResponse, ReadResourceResult, ResourceTemplate, ServerCapabilities, ServerConfig,
    Tool as ToolModel,
};
use rmcp::service::{NotificationContext, RequestContext};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

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
use crate::tool::{Answer, Call, Defaults, Definition, Tool};
use crate::words::Words;

/// How long a client may keep a list, in milliseconds. Lists never change while a server runs.
const TTL_MS: u64 = 3_600_000;

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
}

/// A tool that this server has.
struct Offer {
    tool: &'static dyn Tool,
    definition: Definition,
    model: ToolModel,
}

impl Server {
    /// Makes a server with the tools of the options' profile.
    pub fn new(pyro: Pyro, options: ServerOptions) -> Self {
        let settings = pyro.settings();
        let defaults = Defaults {
            profile: options.profile,
            environment: options
                .environment
                .clone()
                .unwrap_or_else(|| settings.environment.clone()),
            host_memory_mib: pyro.host_memory_mib(),
            has_project: options.project.is_there(),
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

    fn has_tool(&self, name: &str) -> bool {
        self.offers.iter().any(|offer| offer.tool.name() == name)
    }

    /// The resources that it has, by their templates.
    fn templates(&self) -> Vec<ResourceTemplate> {
        resource::templates(|name| self.has_tool(name))
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
        let offer = self.offers.iter().find(|offer| offer.model.name == name)?;
        let _under_way = self.calls.token();
        Some(match self.answer(offer, given, context).await {
            Ok(answer) => success(answer),
            Err(error) => self.failed(offer, &error),
        })
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

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let capabilities = match self.templates().is_empty() {
            true => ServerCapabilities::builder().enable_tools().build(),
            false => ServerCapabilities::builder()
                .enable_tools()
                .enable_resources()
                .build(),
        };
        ServerConfig::new(capabilities)
            .with_server_info(Implementation::new("pyro", env!("CARGO_PKG_VERSION")))
            .with_instructions(self.instructions())
    }

    async fn discover(&self, _context: RequestContext<RoleServer>) -> Result<DiscoverResult, ErrorData> {
        let versions = self.supported_protocol_versions().into_owned();
        let mut result = DiscoverResult::from_server_info(versions, self.get_info());
        result.ttl_ms = TTL_MS;
        result.cache_scope = CacheScope::Public;
        Ok(result)
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        refuse_cursor(request.as_ref())?;
        let mut result = ListToolsResult::with_all_items(self.tools().cloned().collect());
        if is_stateless(&context) {
            result.ttl_ms = Some(TTL_MS);
            result.cache_scope = Some(CacheScope::Public);
        }
        Ok(result)
    }

    fn get_tool(&self, name: &str) -> Option<ToolModel> {
        self.tools().find(|tool| tool.name == name).cloned()
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let called = self.call(&request.name, request.arguments, Some(context)).await;
        match called {
            Some(result) => Ok(result.into()),
            None => Err(ErrorData::invalid_params(self.unknown_tool(&request.name), None)),
        }
    }

    async fn on_roots_list_changed(&self, _context: NotificationContext<RoleServer>) {
        self.host_paths.forget_announced();
    }

    // rmcp answers these with empty lists unless told otherwise, although they are not declared.

    async fn complete(
        &self,
        _request: CompleteRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        Err(ErrorData::method_not_found::<CompleteRequestMethod>())
    }

    async fn list_prompts(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        Err(ErrorData::method_not_found::<ListPromptsRequestMethod>())
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        if self.templates().is_empty() {
            return Err(ErrorData::method_not_found::<ListResourcesRequestMethod>());
        }
        refuse_cursor(request.as_ref())?;
        let mut result = ListResourcesResult::with_all_items(Vec::new());
        if is_stateless(&context) {
            result.ttl_ms = Some(TTL_MS);
            result.cache_scope = Some(CacheScope::Public);
        }
        Ok(result)
    }

    async fn list_resource_templates(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let templates = self.templates();
        if templates.is_empty() {
            return Err(ErrorData::method_not_found::<ListResourceTemplatesRequestMethod>());
        }
        refuse_cursor(request.as_ref())?;
        let mut result = ListResourceTemplatesResult::with_all_items(templates);
        if is_stateless(&context) {
            result.ttl_ms = Some(TTL_MS);
            result.cache_scope = Some(CacheScope::Public);
        }
        Ok(result)
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        if self.templates().is_empty() {
            return Err(ErrorData::method_not_found::<ReadResourceRequestMethod>());
        }
        let _under_way = self.calls.token();
        let has_tool = |name: &str| self.has_tool(name);
        let reading = resource::read((&self.pyro, &self.runs), &self.words, &request.uri, has_tool);
        let contents = tokio::select! {
            contents = reading => contents?,
            () = context.ct.cancelled() => return Err(ErrorData::internal_error("cancelled", None)),
            () = self.ended.cancelled() => return Err(ErrorData::internal_error("the server leaves", None)),
        };
        let mut result = ReadResourceResult::new(contents);
        if is_stateless(&context) {
            // What a workspace holds may be another the next moment.
            result.ttl_ms = Some(0);
            result.cache_scope = Some(CacheScope::Private);
        }
        Ok(result.into())
    }
}

/// Whether the request belongs to the era that has caching hints, and nothing that a server asks a client.
pub(crate) fn is_stateless(context: &RequestContext<RoleServer>) -> bool {
    context
        .protocol_version()
        .is_some_and(|version| version.as_str() >= ProtocolVersion::V_2026_07_28.as_str())
}

/// Lists have one page, so no cursor can be one of ours.
fn refuse_cursor(request: Option<&PaginatedRequestParams>) -> Result<(), ErrorData> {
    match request.and_then(|params| params.cursor.as_ref()) {
        Some(_) => Err(ErrorData::invalid_params(
            "unknown cursor: the list has one page",
            None,
        )),
        None => Ok(()),
    }
}

fn success(answer: Answer) -> CallToolResult {
    let text = ContentBlock::text(answer.text);
    let mut result = CallToolResult::success([vec![text], answer.links].concat());
    result.structured_content = answer.structured;
    result
}
