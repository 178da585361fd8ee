//! `workspace_update`: the name, the labels and the idle limit of a workspace.

use std::time::Duration;

use pyro::UpdateRequest;
use pyro::argument::TTL_SECONDS;

use super::{described, workspace_schema};
use crate::arguments::Arguments;
use crate::schema::{Kind, Parameter};
use crate::tool::{Answer, Call, Defaults, Definition, Hints, Payload, Tool, Work, common};

/// The tool `workspace_update`.
#[derive(Debug)]
pub(crate) struct Update;

impl Tool for Update {
    fn name(&self) -> &'static str {
        "workspace_update"
    }

    fn definition(&self, _defaults: &Defaults) -> Definition {
        Definition {
            title: "Update a workspace",
            description: "Change name, labels or idle limit.".to_owned(),
            parameters: vec![
                common::workspace_id(),
                Parameter::text("name", "New"),
                Parameter::flag("clear_name", "Remove"),
                Parameter::new("labels", "Set", Kind::Map),
                Parameter::new("clear_labels", "Remove", Kind::List),
                Parameter::number("ttl_seconds", "Idle limit", TTL_SECONDS),
            ],
            hints: Hints::Idempotent,
            payload: Payload::Record,
            output_schema: workspace_schema(),
        }
    }

    fn call<'a>(&'a self, call: &'a Call, arguments: Arguments) -> Work<'a> {
        Box::pin(update(call, arguments))
    }
}

async fn update(call: &Call, arguments: Arguments) -> pyro::Result<Answer> {
    let name = arguments.optional_text("name");
    let clears_name = arguments.flag("clear_name");
    common::not_both(
        "clear_name",
        "cannot be given with `name`",
        clears_name && name.is_some(),
    )?;
    let mut request = UpdateRequest::default();
    request.name = match name {
        Some(name) => Some(Some(name.parse()?)),
        None => clears_name.then_some(None),
    };
    request.labels = arguments.map("labels");
    request.clear_labels = arguments.list("clear_labels").to_vec();
    request.ttl = arguments.optional_integer("ttl_seconds").map(Duration::from_secs);
    let workspace = call.workspace(&arguments)?;
    let info = call.ending.unless_asked(workspace.update(&request)).await?;
    Ok(described(call, "updated", info, None))
}
