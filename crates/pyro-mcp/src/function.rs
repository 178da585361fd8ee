//! Tools as functions: the definitions that the APIs of models take, made of what MCP clients are shown.

use std::str::FromStr;

use pyro::argument::InvalidArgument;
use rmcp::model::Tool;
use serde_json::{Value, json};

/// How an API of models writes functions down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum FunctionFormat {
    /// `tools` of OpenAI's Responses API.
    #[default]
    OpenAi,
    /// `tools` of OpenAI's Chat Completions API, which local model servers speak too.
    OpenAiChat,
    /// `tools` of Anthropic's Messages API.
    Anthropic,
    /// `functionDeclarations` of a tool of Google's Gemini API.
    Gemini,
}

impl FunctionFormat {
    /// Every format.
    pub const ALL: &[Self] = &[Self::OpenAi, Self::OpenAiChat, Self::Anthropic, Self::Gemini];

    /// The name as the command line spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::OpenAiChat => "openai-chat",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
        }
    }

    /// The definition of a tool.
    ///
    /// OpenAI's strict mode is off: it has every parameter required and no maps, and ours are mostly optional. Arguments
    /// are checked in any case.
    pub(crate) fn define(self, tool: &Tool) -> Value {
        let (name, schema) = (&tool.name, Value::from((*tool.input_schema).clone()));
        let description = tool.description.as_deref().unwrap_or_default();
        match self {
            Self::OpenAi => json!({
                "type": "function",
                "name": name,
                "description": description,
                "parameters": schema,
                "strict": false,
            }),
            Self::OpenAiChat => json!({
                "type": "function",
                "function": {"name": name, "description": description, "parameters": schema},
            }),
            Self::Anthropic => json!({"name": name, "description": description, "input_schema": schema}),
            Self::Gemini => json!({"name": name, "description": description, "parametersJsonSchema": schema}),
        }
    }
}

impl FromStr for FunctionFormat {
    type Err = InvalidArgument;

    fn from_str(text: &str) -> Result<Self, InvalidArgument> {
        let known = Self::ALL.iter().copied().find(|format| format.as_str() == text);
        known.ok_or_else(|| InvalidArgument::Malformed {
            name: "format",
            problem: "must be openai, openai-chat, anthropic or gemini",
            given: text.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_reads_back_and_others_are_refused_with_all_that_are() {
        for format in FunctionFormat::ALL {
            assert_eq!(format.as_str().parse(), Ok(*format));
            let message = "cohere".parse::<FunctionFormat>().unwrap_err().to_string();
            assert!(message.contains(format.as_str()), "{message}");
        }
    }
}
