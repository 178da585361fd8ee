//! `workspace_start`: a stopped workspace boots on its disk.

use super::{described, workspace_schema};
use crate::arguments::Arguments;
use crate::tool::{Call, Defaults, Definition, Hints, Payload, Tool, Work, common};

/// The tool `workspace_start`.
#[derive(Debug)]
pub(crate) struct Start;

impl Tool for Start {
    fn name(&self) -> &'static str {
        "workspace_start"
    }

    fn definition(&self, _defaults: &Defaults) -> Definition {
        Definition {
            title: "Start a workspace",
            description: "Start a stopped workspace on its disk.".to_owned(),
            parameters: vec![common::workspace_id()],
            hints: Hints::Idempotent,
            payload: Payload::Record,
            output_schema: workspace_schema(),
        }
    }

    fn call<'a>(&'a self, call: &'a Call, arguments: Arguments) -> Work<'a> {
        Box::pin(async move {
            let workspace = call.workspace(&arguments)?;
            let info = call.ending.unless_asked(workspace.start()).await?;
            Ok(described(call, "started", info, None))
        })
    }
}
