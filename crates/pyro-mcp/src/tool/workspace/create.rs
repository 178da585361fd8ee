//! `workspace_create`: a workspace is made and started.

use std::time::Duration;

use pyro::argument::DEFAULT_WORKSPACE_TTL;
use pyro::{CreateRequest, EnvironmentProgress, Resources, RunEvent};

use super::{described, workspace_schema};
use crate::arguments::Arguments;
use crate::schema::{Kind, Parameter};
use crate::tool::{Answer, Call, Defaults, Definition, Hints, Payload, Tool, Work, common};

/// The tool `workspace_create`.
#[derive(Debug)]
pub(crate) struct Create;

impl Tool for Create {
    fn name(&self) -> &'static str {
        "workspace_create"
    }

    fn definition(&self, defaults: &Defaults) -> Definition {
        let mut parameters = vec![
            common::environment(defaults),
            common::vcpu_count(),
            common::mem_mib(defaults),
            common::disk_gib(),
            common::ttl_seconds(DEFAULT_WORKSPACE_TTL),
            Parameter::text("seed_path", "Host directory or tar"),
            Parameter::flag("empty", "No project"),
            Parameter::text("name", "Unique"),
            Parameter::new("labels", "Notes", Kind::Map),
        ];
        if defaults.profile.is_full() {
            parameters.push(Parameter::flag("include_ignored", "Seed Git-ignored files too"));
        }
        Definition {
            title: "Create a workspace",
            description: "Start a Linux VM, kept until deleted. Idle, it stops; files stay.".to_owned(),
            parameters: common::or_host(parameters, defaults),
            hints: if defaults.profile.is_full() {
                Hints::OpenWorld
            } else {
                Hints::Nothing
            },
            payload: Payload::Record,
            output_schema: workspace_schema(),
        }
    }

    fn call<'a>(&'a self, call: &'a Call, arguments: Arguments) -> Work<'a> {
        Box::pin(create(call, arguments))
    }
}

async fn create(call: &Call, arguments: Arguments) -> pyro::Result<Answer> {
    let mut request = CreateRequest::default();
    request.environment = Some(arguments.text("environment").to_owned());
    request.resources = Resources::new(
        arguments.integer("vcpu_count"),
        arguments.integer("mem_mib"),
        arguments.integer("disk_gib"),
        call.host_memory_mib,
    )?;
    request.isolation = call.options.isolation;
    request.allow_host_compat = common::may_use_host(&arguments);
    request.ttl = Duration::from_secs(arguments.integer("ttl_seconds"));
    request.name = arguments.optional_text("name").map(str::parse).transpose()?;
    request.labels = arguments.map("labels");
    if arguments.has("include_ignored") {
        request.include_ignored = arguments.flag("include_ignored");
    }
    let seed_path = arguments.optional_text("seed_path");
    let is_empty = arguments.flag("empty");
    common::not_both(
        "empty",
        "cannot be true with `seed_path`",
        is_empty && seed_path.is_some(),
    )?;
    let mut tell = |news: EnvironmentProgress| call.progress.note(&RunEvent::Environment(news));
    let info = call
        .ending
        .unless_asked(async {
            let mut clone = None;
            if let Some(given) = seed_path {
                let source = call.host_paths.source(call.context.as_ref(), given).await?;
                request.seed_path = Some(source);
            } else if !is_empty {
                clone = call.project.seed(&call.pyro, &mut request, &mut tell).await?;
            }
            let workspace = call.pyro.create_workspace(&request, &mut tell).await?;
            // It was read to its end.
            drop(clone);
            workspace.status()
        })
        .await?;
    Ok(described(call, "created", info, seed_path))
}
