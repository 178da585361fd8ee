//! `workspace_stop`: a workspace is powered off, and its disk kept.

use super::{described, workspace_schema};
use crate::arguments::Arguments;
use crate::tool::{Call, Defaults, Definition, Hints, Payload, Tool, Work, common};

/// The tool `workspace_stop`.
#[derive(Debug)]
pub(crate) struct Stop;

impl Tool for Stop {
    fn name(&self) -> &'static str {
        "workspace_stop"
    }

    fn definition(&self, _defaults: &Defaults) -> Definition {
        Definition {
            title: "Stop a workspace",
            description: "End processes and power off; files stay. workspace_start boots it again."
                .to_owned(),
            parameters: vec![common::workspace_id()],
            hints: Hints::Idempotent,
            payload: Payload::Record,
            output_schema: workspace_schema(),
        }
    }

    fn call<'a>(&'a self, call: &'a Call, arguments: Arguments) -> Work<'a> {
        Box::pin(async move {
            // Not dropped with its call: a guest that was told to power off does so in any case.
            let info = call.workspace(&arguments)?.stop().await?;
            Ok(described(call, "stopped", info, None))
        })
    }
}
