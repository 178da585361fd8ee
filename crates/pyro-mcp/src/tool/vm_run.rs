//! `vm_run`: one command in a VM that ends with it.

use std::time::Duration;

use pyro::argument::{DEFAULT_TIMEOUT, DEFAULT_VM_TTL};
use pyro::{Command, Resources, RunRequest};

use super::{Answer, Call, Defaults, Definition, Hints, Payload, Tool, Work, common, one_shot};
use crate::arguments::Arguments;
use crate::schema::Parameter;

/// The tool `vm_run`.
#[derive(Debug)]
pub(crate) struct VmRun;

/// The catalog, with the tools that a model cannot expect everywhere.
const CATALOG: [(&str, Option<&str>); 3] = [
    ("debian:12", Some("git")),
    ("debian:12-base", None),
    ("debian:12-build", Some("gcc, python3")),
];

impl Tool for VmRun {
    fn name(&self) -> &'static str {
        "vm_run"
    }

    fn definition(&self, defaults: &Defaults) -> Definition {
        Definition {
            title: "Run a command in a throwaway VM",
            description: format!(
                "Run a shell command in a fresh Linux VM without network, then deleted: {}, any OCI image.",
                environments(&defaults.environment)
            ),
            parameters: parameters(defaults),
            hints: Hints::OpenWorld,
            payload: Payload::Text,
            output_schema: one_shot::output_schema(),
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
        // Its command is all that the VM is there for, so it is never idle for as long.
        common::ttl_seconds(DEFAULT_VM_TTL).unlisted(),
        Parameter::text("seed_path", "Directory for /workspace"),
        Parameter::flag("return_diff", "Diff"),
        common::max_output_chars("Per stream", 20_000),
    ]
}

async fn run(call: &Call, arguments: Arguments) -> pyro::Result<Answer> {
    let mut request = request(call, &arguments)?;
    if let Some(given) = arguments.optional_text("seed_path") {
        let source = call.host_paths.source(call.context.as_ref(), given);
        request.seed_path = Some(call.ending.unless_asked(source).await?);
    }
    let run = || call.pyro.start_run(request);
    let max_chars = common::max_chars(&arguments);
    one_shot::answer(call, run, one_shot::Made::WithIt, max_chars).await
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
    request.return_diff = arguments.flag("return_diff");
    Ok(request)
}
