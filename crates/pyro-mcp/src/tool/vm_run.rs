//! `vm_run`: one command in a VM that ends with it.

use std::time::Duration;

use pyro::argument::{DEFAULT_TIMEOUT, DEFAULT_VM_TTL};
use pyro::{Command, Resources, RunRequest};
use rmcp::model::JsonObject;
use serde_json::{Map, Value, json};

use super::{Answer, Call, Defaults, Definition, Hints, Payload, Tool, Work, common, object};
use crate::arguments::Arguments;
use crate::ending::Cancelled;
use crate::follow::follow;
use crate::progress::progress;
use crate::render::{Execution, shorten, write_execution};
use crate::schema::Parameter;

/// The tool `vm_run`.
#[derive(Debug)]
pub(crate) struct VmRun;

/// The catalog, with the tools that a model cannot expect everywhere.
const CATALOG: [(&str, Option<&str>); 3] = [
    ("debian:12", Some("git")),
    ("debian:12-base", None),
    ("debian:12-build", Some("gcc, make, python3")),
];

impl Tool for VmRun {
    fn name(&self) -> &'static str {
        "vm_run"
    }

    fn definition(&self, defaults: &Defaults) -> Definition {
        Definition {
            title: "Run a command in a throwaway VM",
            description: format!(
                "Run a shell command in a fresh Linux VM without network, deleted afterwards. Environments: {}, any \
                 OCI image.",
                environments(&defaults.environment)
            ),
            parameters: parameters(defaults),
            hints: Hints::OpenWorld,
            payload: Payload::Text,
            output_schema: output_schema(),
        }
    }

    fn call<'a>(&'a self, call: &'a Call, arguments: Arguments) -> Work<'a> {
        Box::pin(run(call, arguments))
    }
}

/// The default environment, then the rest of the catalog.
fn environments(default: &str) -> String {
    let known = CATALOG.iter().find(|(name, _)| *name == default);
    let tools = known.and_then(|(_, tools)| *tools);
    let mut list = match tools {
        Some(tools) => format!("{default} (default; {tools})"),
        None => format!("{default} (default)"),
    };
    for (name, tools) in CATALOG.iter().filter(|(name, _)| *name != default) {
        list.push_str(", ");
        list.push_str(name);
        if let Some(tools) = tools {
            list.push_str(&format!(" ({tools})"));
        }
    }
    list
}

fn parameters(defaults: &Defaults) -> Vec<Parameter> {
    vec![
        common::command(),
        common::environment(defaults),
        common::vcpu_count(),
        common::mem_mib(defaults),
        common::timeout_seconds(DEFAULT_TIMEOUT),
        common::ttl_seconds(DEFAULT_VM_TTL),
        common::max_output_chars("Per stream", 20_000),
    ]
}

async fn run(call: &Call, arguments: Arguments) -> pyro::Result<Answer> {
    let request = request(call, &arguments)?;
    let (progress, reporter) = progress(&call.context);
    let run = || call.pyro.start_run(request);
    // The reporter ends once the run has dropped its half, so no notification follows the result.
    let (result, ()) = tokio::join!(
        follow(
            run,
            &call.ending,
            move |event| progress.note(event),
            Cancelled::Run
        ),
        reporter.run()
    );
    let mut exec = result?;
    let max_chars = common::max_chars(&arguments);
    let text = write_execution(&Execution::from(&exec), max_chars);
    let structured = call.where_asked_for(|| {
        shorten(&mut exec, max_chars);
        object(&exec)
    });
    Ok(Answer { text, structured })
}

fn request(call: &Call, arguments: &Arguments) -> pyro::Result<RunRequest> {
    let command = Command::Shell(arguments.text("command").to_owned());
    command.validate()?;
    let mut request = RunRequest::new(command);
    request.environment = Some(arguments.text("environment").to_owned());
    request.resources = Resources::new(
        arguments.integer("vcpu_count"),
        arguments.integer("mem_mib"),
        Resources::default().disk_gib().into(),
        call.host_memory_mib,
    )?;
    request.isolation = call.options.isolation;
    request.timeout = Some(Duration::from_secs(arguments.integer("timeout_seconds")));
    request.ttl = Duration::from_secs(arguments.integer("ttl_seconds"));
    Ok(request)
}

/// The schema of *VM exec*. Nothing is required, so that errors conform too; fields that may be `null` are left to the
/// properties that a schema does not name, for a type array is what several hosts reject.
fn output_schema() -> JsonObject {
    let stream_info =
        json!({"type": "object", "description": "bytes, encoding, truncated, omitted_bytes, stored_bytes"});
    let properties = json!({
        "vm_id": {"type": "string", "description": "The VM; it is gone"},
        "environment": {"type": "string", "description": "As the call named it"},
        "environment_version": {"type": "string", "description": "Such as a tag"},
        "environment_digest": {"type": "string", "description": "What fixes its content"},
        "command": {"type": "string", "description": "What ran"},
        "stdout": {"type": "string", "description": "Standard output, cut to max_output_chars"},
        "stderr": {"type": "string", "description": "Standard error, cut to max_output_chars"},
        "stdout_info": stream_info,
        "stderr_info": stream_info,
        "exit_code": {"type": "integer", "description": "The guest's; 124 after the time limit, 130 if cancelled"},
        "outcome": {
            "type": "string",
            "description": "How it ended: exited, signaled, not_started, timed_out, cancelled",
        },
        "oom_killed": {"type": "boolean", "description": "Whether the guest ran out of memory"},
        "timed_out": {"type": "boolean", "description": "Whether its time was up"},
        "cancelled": {"type": "boolean", "description": "Whether the caller ended it"},
        "duration_ms": {"type": "integer", "description": "How long it took"},
        "boot_ms": {"type": "integer", "description": "How long the VM took to start"},
        "cleanup": {"type": "object", "description": "vm_id, deleted, reason"},
        "isolation": {"type": "string", "description": "hardware or emulated"},
        "vmm": {"type": "string", "description": "firecracker or qemu"},
        "execution_mode": {"type": "string", "description": "How host and guest talked"},
        "warnings": {"type": "array", "items": {"type": "string"}, "description": "What was skipped or guessed"},
        "metadata": {"type": "object", "description": "Further facts"},
        "error": {"type": "object", "description": "code, message, hint, details; instead of all others"},
    });
    let mut schema: Map<String, Value> = Map::new();
    schema.insert("type".to_owned(), "object".into());
    schema.insert("properties".to_owned(), properties);
    schema
}
