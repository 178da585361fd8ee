//! `workspace_status`: what is known of a workspace.

use super::{described, workspace_schema};
use crate::arguments::Arguments;
use crate::tool::{Call, Defaults, Definition, Hints, Payload, Tool, Work, common};

/// The tool `workspace_status`.
#[derive(Debug)]
pub(crate) struct Status;

impl Tool for Status {
    fn name(&self) -> &'static str {
        "workspace_status"
    }

    fn definition(&self, _defaults: &Defaults) -> Definition {
        Definition {
            title: "Show a workspace",
            description: "Show state and last command.".to_owned(),
            parameters: vec![common::workspace_id()],
            hints: Hints::ReadOnly,
            payload: Payload::Record,
            output_schema: workspace_schema(),
        }
    }

    fn call<'a>(&'a self, call: &'a Call, arguments: Arguments) -> Work<'a> {
        Box::pin(async move {
            let info = call.workspace(&arguments)?.status()?;
            Ok(described(call, "status", info, None))
        })
    }
}
