//! What the suite asks a server to have, in front of pyro's own handler, which answers all else.

use std::time::Duration;

use pyro_mcp::Server;
use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, CallToolResult, CompleteRequestParams,
    CompleteResult, CompletionInfo, DiscoverResult, GetPromptRequestParams, GetPromptResponse,
    GetPromptResult, ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult, ListToolsResult,
    PaginatedRequestParams, ProgressNotificationParam, ReadResourceRequestParams, ReadResourceResponse,
    ReadResourceResult, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// A picture of one point.
const PICTURE: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/// A sound of no length.
const SOUND: &str = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA=";

/// How long clients may keep lists and what they read, in milliseconds.
const TTL_MS: u64 = 3_600_000;

/// pyro's handler with the tables of the suite.
#[derive(Debug, Clone)]
pub(crate) struct Fixtures {
    server: Server,
}

/// A value of the protocol, written as it is sent.
fn model<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

/// The tools that answer with one and the same result.
fn tools() -> Vec<(&'static str, Value)> {
    let text = |text: &str| json!({"type": "text", "text": text});
    let picture = json!({"type": "image", "data": PICTURE, "mimeType": "image/png"});
    let resource = |uri: &str| json!({"type": "resource", "resource": {"uri": uri, "mimeType": "text/plain", "text": "embedded"}});
    let result = |content: Value| json!({"content": content, "isError": false});
    vec![
        (
            "test_simple_text",
            result(json!([text("This is a simple text response for testing.")])),
        ),
        ("test_image_content", result(json!([picture]))),
        (
            "test_audio_content",
            result(json!([{"type": "audio", "data": SOUND, "mimeType": "audio/wav"}])),
        ),
        (
            "test_embedded_resource",
            result(json!([resource("test://embedded-resource")])),
        ),
        (
            "test_multiple_content_types",
            result(json!([
                text("several"),
                picture,
                resource("test://mixed-content-resource")
            ])),
        ),
        (
            "test_error_handling",
            json!({"content": [text("This tool intentionally returns an error for testing")], "isError": true}),
        ),
        ("test_tool_with_progress", result(json!([text("done")]))),
    ]
}

/// The prompts, each with its arguments and the messages for values of these.
fn prompts(values: &Value) -> Vec<(&'static str, Vec<&'static str>, Value)> {
    let user = |content: Value| json!({"role": "user", "content": content});
    let text = |text: &str| user(json!({"type": "text", "text": text}));
    let value = |name: &str| values[name].as_str().unwrap_or_default().to_owned();
    vec![
        (
            "test_prompt_with_arguments",
            vec!["arg1", "arg2"],
            json!([text(&format!("{} and {}", value("arg1"), value("arg2")))]),
        ),
        (
            "test_prompt_with_embedded_resource",
            vec!["resourceUri"],
            json!([
                user(
                    json!({"type": "resource", "resource": {"uri": value("resourceUri"), "mimeType": "text/plain", "text": "x"}})
                ),
                text("Please process the embedded resource above."),
            ]),
        ),
        (
            "test_prompt_with_image",
            vec![],
            json!([
                user(json!({"type": "image", "data": PICTURE, "mimeType": "image/png"})),
                text("Please analyze the image above.")
            ]),
        ),
        (
            "test_simple_prompt",
            vec![],
            json!([text("This is a simple prompt for testing.")]),
        ),
    ]
}

impl Fixtures {
    /// The tables around a server.
    pub(crate) fn around(server: Server) -> Self {
        Self { server }
    }
}

impl ServerHandler for Fixtures {
    fn get_info(&self) -> ServerConfig {
        let mut info = self.server.get_info();
        info.capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_resources()
            .enable_prompts()
            .enable_completions()
            .build();
        info
    }

    async fn discover(&self, context: RequestContext<RoleServer>) -> Result<DiscoverResult, ErrorData> {
        let mut result = self.server.discover(context).await?;
        result.capabilities = self.get_info().capabilities;
        Ok(result)
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let mut result = self.server.list_tools(request, context).await?;
        let schema = json!({"type": "object", "properties": {}, "additionalProperties": false});
        let tool = |(name, _)| {
            model::<Tool>(json!({"name": name, "description": "For the suite", "inputSchema": schema}))
        };
        result.tools.extend(tools().into_iter().map(tool));
        Ok(result)
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.server.get_tool(name)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let Some((name, result)) = tools().into_iter().find(|(name, _)| *name == request.name) else {
            return self.server.call_tool(request, context).await;
        };
        if name == "test_tool_with_progress"
            && let Some(token) = context.meta.get_progress_token()
        {
            for far in [0.0, 50.0, 100.0] {
                let news = ProgressNotificationParam::new(token.clone(), far).with_total(100.0);
                drop(context.peer.notify_progress(news).await);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        let content = model(result["content"].clone());
        let result = match result["isError"] == true {
            true => CallToolResult::error(content),
            false => CallToolResult::success(content),
        };
        Ok(result.into())
    }

    async fn list_resources(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let mut result = ListResourcesResult::with_all_items(model(json!([
            {"uri": "test://static-binary", "name": "static-binary", "mimeType": "image/png"},
            {"uri": "test://static-text", "name": "static-text", "mimeType": "text/plain"},
        ])));
        result.ttl_ms = Some(TTL_MS);
        result.cache_scope = Some(CacheScope::Public);
        Ok(result)
    }

    async fn list_resource_templates(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let mut result = ListResourceTemplatesResult::with_all_items(model(json!([
            {"uriTemplate": "test://template/{id}/data", "name": "template", "mimeType": "application/json"},
        ])));
        result.ttl_ms = Some(TTL_MS);
        result.cache_scope = Some(CacheScope::Public);
        Ok(result)
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let uri = request.uri.as_str();
        let id = uri
            .strip_prefix("test://template/")
            .and_then(|rest| rest.strip_suffix("/data"));
        let content = match (uri, id) {
            ("test://static-text", _) => json!({"uri": uri, "mimeType": "text/plain", "text": "static"}),
            ("test://static-binary", _) => json!({"uri": uri, "mimeType": "image/png", "blob": PICTURE}),
            (_, Some(id)) => {
                json!({"uri": uri, "mimeType": "application/json", "text": json!({"id": id}).to_string()})
            }
            _ => {
                return Err(ErrorData::resource_not_found(
                    "no such resource",
                    Some(json!({"uri": uri})),
                ));
            }
        };
        let mut result = ReadResourceResult::new(vec![model(content)]);
        result.ttl_ms = Some(TTL_MS);
        result.cache_scope = Some(CacheScope::Private);
        Ok(result.into())
    }

    async fn list_prompts(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        let prompt = |(name, arguments, _): (&str, Vec<&str>, Value)| {
            let arguments: Vec<_> = arguments
                .iter()
                .map(|name| json!({"name": name, "required": true}))
                .collect();
            json!({"name": name, "description": "For the suite", "arguments": arguments})
        };
        let prompts: Vec<_> = prompts(&Value::Null).into_iter().map(prompt).collect();
        let mut result = ListPromptsResult::with_all_items(model(json!(prompts)));
        result.ttl_ms = Some(TTL_MS);
        result.cache_scope = Some(CacheScope::Public);
        Ok(result)
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let values = request.arguments.map_or(Value::Null, Value::from);
        let found = prompts(&values)
            .into_iter()
            .find(|(name, ..)| *name == request.name);
        let (_, _, messages) = found.ok_or_else(|| ErrorData::invalid_params("no such prompt", None))?;
        Ok(GetPromptResult::new(model(messages)).into())
    }

    async fn complete(
        &self,
        _request: CompleteRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        Ok(CompleteResult::new(
            CompletionInfo::new(vec!["test".to_owned()]).unwrap(),
        ))
    }
}
