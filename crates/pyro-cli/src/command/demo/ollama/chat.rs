//! What is said in the Chat Completions API, as far as it is needed.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A request.
#[derive(Debug, Serialize)]
pub(super) struct Request<'a> {
    pub(super) model: &'a str,
    pub(super) messages: &'a [Message],
    pub(super) tools: &'a [Value],
    pub(super) stream: bool,
}

/// An answer.
#[derive(Debug, Deserialize)]
pub(super) struct Completion {
    pub(super) choices: Vec<Choice>,
}

/// One way to go on.
#[derive(Debug, Deserialize)]
pub(super) struct Choice {
    pub(super) message: Message,
}

/// A message, of whoever it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Message {
    pub(super) role: String,
    pub(super) content: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) tool_calls: Option<Vec<ToolCall>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) tool_call_id: Option<String>,
}

/// A call that the model asks for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct ToolCall {
    #[serde(default)]
    pub(super) id: String,
    #[serde(rename = "type", default = "function")]
    pub(super) kind: String,
    pub(super) function: Function,
}

/// The function and its arguments, which are the text of a JSON object.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Function {
    pub(super) name: String,
    pub(super) arguments: String,
}

/// What a server says instead of an answer.
#[derive(Debug, Deserialize)]
pub(super) struct Refusal {
    pub(super) error: RefusalMessage,
}

/// The reason.
#[derive(Debug, Deserialize)]
pub(super) struct RefusalMessage {
    pub(super) message: String,
}

impl Message {
    /// What a role says.
    pub(super) fn new(role: &str, content: impl Into<String>) -> Self {
        Self {
            role: role.to_owned(),
            content: Some(content.into()),
            tool_calls: None,
            tool_call_id: None,
        }
    }

    /// The result of a call.
    pub(super) fn result(call: &ToolCall, content: String) -> Self {
        Self {
            tool_call_id: Some(call.id.clone()),
            ..Self::new("tool", content)
        }
    }
}

fn function() -> String {
    "function".to_owned()
}
