//! The conversation: what the model is asked, the calls it makes, and what it is told of them.

use pyro::{Diagnosis, ErrorCode, Result};
use pyro_mcp::{FunctionFormat, ToolBox, ToolOutput};
use serde::Serialize;
use serde_json::Value;

use super::chat::{Message, Request, ToolCall};
use super::client::ModelServer;
use crate::command::demo::PROBE;

/// How often the model is asked at most.
const MOST_ROUNDS: u32 = 8;

/// How many calls it may make at once; small models repeat themselves.
const MOST_CALLS: usize = 4;

/// What came of it.
#[derive(Debug, Serialize)]
pub(super) struct Driven {
    /// The model.
    pub(super) model: String,
    /// What it had run.
    pub(super) command: String,
    /// What came of that: *VM exec*.
    pub(super) result: Value,
    /// How often it was asked.
    pub(super) rounds: u32,
    /// What it said at last.
    pub(super) answer: String,
}

/// A model that did not do what it was asked.
#[derive(Debug, thiserror::Error)]
enum DriveError {
    /// It never called the tool.
    #[error("`{model}` never called `vm_run`")]
    Idle { model: String },
    /// It called it, and not so.
    #[error("no `{}` that `{model}` had run ended with status 0", PROBE.join(" "))]
    Unsuccessful { model: String, last: String },
    /// Its server gives nothing to go on with.
    #[error("`{model}` was given no way to go on by its server")]
    Silent { model: String },
}

impl Diagnosis for DriveError {
    fn code(&self) -> ErrorCode {
        ErrorCode::ModelFailed
    }

    fn hint(&self) -> Option<String> {
        Some(
            "try again, or choose a model that calls tools better with `--model`; `-v` shows what it does"
                .to_owned(),
        )
    }

    fn details(&self) -> Option<serde_json::Map<String, Value>> {
        match self {
            Self::Unsuccessful { last, .. } => Some(
                [("last_result".to_owned(), last.as_str().into())]
                    .into_iter()
                    .collect(),
            ),
            Self::Idle { .. } | Self::Silent { .. } => None,
        }
    }
}

/// Has the model run the probe, and lets it say what it saw.
///
/// # Errors
/// `model-failed`, `time-limit`.
pub(super) async fn drive(
    server: &ModelServer,
    model: &str,
    tools: &ToolBox,
    note: &impl Fn(&str),
) -> Result<Driven> {
    let probe = PROBE.join(" ");
    let definitions = tools.definitions(FunctionFormat::OpenAiChat);
    let mut messages = vec![
        Message::new("system", tools.instructions()),
        Message::new(
            "user",
            format!("Call vm_run with the command `{probe}`, and then say which version it printed."),
        ),
    ];
    let (mut succeeded, mut last) = (None, None);
    let (mut answer, mut rounds) = (String::new(), 0);
    while rounds < MOST_ROUNDS {
        rounds += 1;
        let request = Request {
            model,
            messages: &messages,
            tools: &definitions,
            stream: false,
        };
        let completion = server.complete(&request).await?;
        let Some(choice) = completion.choices.into_iter().next() else {
            let model = model.to_owned();
            return Err(DriveError::Silent { model }.into());
        };
        let said = choice.message;
        answer = said.content.clone().unwrap_or_default();
        if !answer.is_empty() {
            note(&format!("{model}: {answer}"));
        }
        let mut calls = said.tool_calls.clone().unwrap_or_default();
        calls.truncate(MOST_CALLS);
        messages.push(Message {
            tool_calls: Some(calls.clone()).filter(|calls| !calls.is_empty()),
            ..said
        });
        if calls.is_empty() {
            break;
        }
        for call in &calls {
            note(&format!(
                "{model} calls {} {}",
                call.function.name, call.function.arguments
            ));
            let output = tools.call(&call.function.name, &call.function.arguments).await;
            note(&output.text);
            succeeded = succeeded.or_else(|| success(call, &output, &probe));
            messages.push(Message::result(call, output.text.clone()));
            last = Some(output.text);
        }
    }
    let model = model.to_owned();
    match (succeeded, last) {
        (Some((command, result)), _) => Ok(Driven {
            model,
            command,
            result,
            rounds,
            answer,
        }),
        (None, Some(last)) => Err(DriveError::Unsuccessful { model, last }.into()),
        (None, None) => Err(DriveError::Idle { model }.into()),
    }
}

/// The command and its result, if it is the probe and ended with status 0.
fn success(call: &ToolCall, output: &ToolOutput, probe: &str) -> Option<(String, Value)> {
    let result = output.structured.as_ref().filter(|_| !output.is_error)?;
    if call.function.name != "vm_run" || result["exit_code"] != 0 {
        return None;
    }
    let command = result["command"].as_str()?;
    command
        .contains(probe)
        .then(|| (command.to_owned(), result.clone()))
}
