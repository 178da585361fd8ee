//! A model of OpenAI works in a pyro workspace: the tools of the profile `workspace-core` as functions of the Responses API,
//! called through the library, without MCP.
//!
//! Needs `pyro` in `PATH`, which owns the VMs, and `OPENAI_API_KEY`:
//!
//! ```sh
//! cargo run -p pyro-mcp --example openai_responses -- 'Does git 2.39 know `git switch`? Try it.'
//! ```

#![expect(clippy::print_stdout, reason = "this is a program")]

use std::env;
use std::error::Error;

use pyro::{Pyro, Settings};
use pyro_mcp::{FunctionFormat, Profile, ServerOptions, ToolBox};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The one word that decides what the model can do.
const PROFILE: Profile = Profile::WorkspaceCore;

const TASK: &str =
    "In a workspace, write greeting.txt, change it by a patch, show me the diff, and delete the workspace.";

/// What is asked of `POST /responses`.
#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    instructions: &'a str,
    tools: &'a [Value],
    input: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_response_id: Option<String>,
}

/// What comes back, as far as it is of use.
#[derive(Deserialize)]
struct Response {
    id: String,
    output: Vec<Item>,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Item {
    FunctionCall {
        call_id: String,
        name: String,
        arguments: String,
    },
    Message {
        content: Vec<Content>,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Content {
    OutputText {
        text: String,
    },
    #[serde(other)]
    Other,
}

/// The API, by its address and key.
struct Api {
    client: reqwest::Client,
    url: String,
    key: String,
}

impl Api {
    fn from_env() -> Result<Self, Box<dyn Error>> {
        // reqwest is built without a choice of cryptography here.
        let chosen = rustls::crypto::ring::default_provider().install_default();
        chosen.map_err(|_| "another provider was chosen before")?;
        let base = env::var("OPENAI_BASE_URL").unwrap_or_else(|_| "https://api.openai.com/v1".to_owned());
        Ok(Self {
            client: reqwest::Client::new(),
            url: format!("{base}/responses"),
            key: env::var("OPENAI_API_KEY")?,
        })
    }

    async fn ask(&self, request: &Request<'_>) -> Result<Response, Box<dyn Error>> {
        let request = self
            .client
            .post(&self.url)
            .bearer_auth(&self.key)
            .header("content-type", "application/json")
            .body(serde_json::to_vec(request)?);
        let response = request.send().await?;
        let (status, body) = (response.status(), response.bytes().await?);
        if !status.is_success() {
            return Err(format!("{status}: {}", String::from_utf8_lossy(&body)).into());
        }
        Ok(serde_json::from_slice(&body)?)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let api = Api::from_env()?;
    let model = env::var("OPENAI_MODEL").unwrap_or_else(|_| "gpt-5.4-mini".to_owned());
    let tools = ToolBox::new(Pyro::open(Settings::from_env()?), ServerOptions::new(PROFILE));
    let functions = tools.definitions(FunctionFormat::OpenAi);
    println!("profile {PROFILE}: {} tools", functions.len());

    let mut request = Request {
        model: &model,
        instructions: &tools.instructions(),
        tools: &functions,
        input: env::args().nth(1).unwrap_or_else(|| TASK.to_owned()).into(),
        previous_response_id: None,
    };
    loop {
        let response = api.ask(&request).await?;
        let mut results = Vec::new();
        for item in response.output {
            match item {
                Item::FunctionCall {
                    call_id,
                    name,
                    arguments,
                } => {
                    let result = tools.call(&name, &arguments).await;
                    println!("{name}: {}", result.text.lines().next().unwrap_or_default());
                    results.push(json!({
                        "type": "function_call_output", "call_id": call_id, "output": result.text,
                    }));
                }
                Item::Message { content } => {
                    for part in content {
                        if let Content::OutputText { text } = part {
                            println!("{text}");
                        }
                    }
                }
                Item::Other => {}
            }
        }
        if results.is_empty() {
            return Ok(());
        }
        request.input = results.into();
        request.previous_response_id = Some(response.id);
    }
}
