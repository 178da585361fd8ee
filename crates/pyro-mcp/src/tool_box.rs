//! The tools for a program's own loop of function calls: the same definitions, checks and texts as over MCP, without a
//! client and a transport.

use pyro::{Diagnosis, ErrorCode, Pyro};
use rmcp::model::{CallToolResult, JsonObject};
use serde_json::Value;

use crate::function::FunctionFormat;
use crate::options::ServerOptions;
use crate::server::Server;

/// The tools of a profile, to be handed to a model as functions and called in its name. Cheap to clone.
///
/// Paths of the host are taken only inside the options' `allow_host_paths`. A command of `vm_run` that outlives its call goes
/// on until the last clone is dropped.
#[derive(Debug, Clone)]
pub struct ToolBox {
    server: Server,
}

/// What a model is told of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ToolOutput {
    /// The text for the model; it has all that the next step needs.
    pub text: String,
    /// The object of the contract, from tools that have one; all of them with [`Structured::All`](crate::Structured::All).
    pub structured: Option<Value>,
    /// Whether the tool could not do its job. A command that ended with another status than 0 is no such failure.
    pub is_error: bool,
}

/// Arguments that cannot be read.
#[derive(Debug, thiserror::Error)]
enum UnreadableArguments {
    /// They are no JSON, as some models write them.
    #[error("the arguments of `{tool}` are no JSON: {source}")]
    Json { tool: String, source: serde_json::Error },
    /// They are something else than an object.
    #[error("the arguments of `{tool}` are not an object")]
    Kind { tool: String },
}

impl Diagnosis for UnreadableArguments {
    fn code(&self) -> ErrorCode {
        ErrorCode::InvalidArgument
    }

    fn hint(&self) -> Option<String> {
        Some("pass one JSON object with the parameters by name".to_owned())
    }
}

impl ToolBox {
    /// The tools of the options' profile.
    pub fn new(pyro: Pyro, options: ServerOptions) -> Self {
        let server = Server::new(pyro, options).without_announced_roots();
        Self { server }
    }

    /// What the model should know about all of them together: good for a system prompt.
    pub fn instructions(&self) -> String {
        self.server.instructions()
    }

    /// The definitions that an API takes, in the order of the names.
    pub fn definitions(&self, format: FunctionFormat) -> Vec<Value> {
        self.server.tools().map(|tool| format.define(tool)).collect()
    }

    /// Calls a tool as a model asks for it: by its name, with arguments that are the text of a JSON object, where an empty
    /// text is an empty object. What goes wrong is told to the model too, so there is no other error. Dropping the future
    /// cancels the call.
    ///
    /// Must be called within a tokio runtime.
    pub async fn call(&self, name: &str, arguments: &str) -> ToolOutput {
        let called = match parse(name, arguments) {
            Ok(arguments) => self.server.call(name, Some(arguments), None).await,
            Err(error) => self.server.failure(name, &error.into()),
        };
        match called {
            Some(result) => output(result),
            None => ToolOutput {
                text: format!("error unknown-argument: {}", self.server.unknown_tool(name)),
                structured: None,
                is_error: true,
            },
        }
    }
}

fn parse(tool: &str, arguments: &str) -> Result<JsonObject, UnreadableArguments> {
    let tool = || tool.chars().take(64).collect();
    if arguments.trim().is_empty() {
        return Ok(JsonObject::new());
    }
    match serde_json::from_str(arguments) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(UnreadableArguments::Kind { tool: tool() }),
        Err(source) => Err(UnreadableArguments::Json { tool: tool(), source }),
    }
}

fn output(result: CallToolResult) -> ToolOutput {
    let texts: Vec<_> = result
        .content
        .iter()
        .filter_map(|block| Some(block.as_text()?.text.as_str()))
        .collect();
    ToolOutput {
        text: texts.join("\n"),
        structured: result.structured_content,
        is_error: result.is_error == Some(true),
    }
}

#[cfg(test)]
mod tests {
    use pyro::Settings;
    use serde_json::json;

    use super::*;
    use crate::profile::Profile;

    fn tools(profile: Profile) -> ToolBox {
        ToolBox::new(
            Pyro::open(Settings::new("/nonexistent/state", "/nonexistent/cache")),
            ServerOptions::new(profile),
        )
    }

    #[test]
    fn every_format_defines_what_mcp_clients_are_shown() {
        for profile in Profile::ALL {
            let tools = tools(*profile);
            for format in FunctionFormat::ALL {
                let definitions = tools.definitions(*format);
                assert_eq!(definitions.len(), tools.server.tools().count());
                for (definition, tool) in definitions.iter().zip(tools.server.tools()) {
                    let function = definition.get("function").unwrap_or(definition);
                    assert_eq!(function["name"], *tool.name);
                    assert_eq!(function["description"].as_str(), tool.description.as_deref());
                    let schema = ["parameters", "input_schema", "parametersJsonSchema"]
                        .iter()
                        .find_map(|name| function.get(name));
                    assert_eq!(schema.unwrap(), &Value::from((*tool.input_schema).clone()));
                }
            }
        }
    }

    #[tokio::test]
    async fn what_cannot_be_called_is_told_to_the_model() {
        let tools = tools(Profile::VmRun);
        for (name, arguments, said) in [
            (
                "workspace_create",
                "{}",
                "error unknown-argument: unknown tool `workspace_create`; known: vm_run",
            ),
            (
                "vm_run",
                "{\"command\": ",
                "error invalid-argument: the arguments of `vm_run` are no JSON: EOF",
            ),
            (
                "vm_run",
                "[]",
                "error invalid-argument: the arguments of `vm_run` are not an object\nhint: pass one JSON object",
            ),
            ("vm_run", "", "error invalid-argument: "),
            (
                "vm_run",
                "{\"command\": \"true\", \"x\": 1}",
                "error unknown-argument: ",
            ),
        ] {
            let output = tools.call(name, arguments).await;
            assert!(
                output.is_error && output.text.starts_with(said),
                "{}",
                output.text
            );
        }
    }

    #[tokio::test]
    async fn no_path_of_the_host_is_taken_unless_it_is_allowed() {
        let arguments = json!({"command": "true", "seed_path": "/etc"}).to_string();
        let output = tools(Profile::VmRun).call("vm_run", &arguments).await;
        assert!(
            output.text.starts_with("error host-path-denied: "),
            "{}",
            output.text
        );
    }
}
