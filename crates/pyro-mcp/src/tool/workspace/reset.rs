//! `workspace_reset`: the whole disk as it was in the beginning.

use super::{described, workspace_schema};
use crate::arguments::Arguments;
use crate::tool::{Call, Defaults, Definition, Hints, Payload, Tool, Work, common};

/// The tool `workspace_reset`.
#[derive(Debug)]
pub(crate) struct Reset;

impl Tool for Reset {
    fn name(&self) -> &'static str {
        "workspace_reset"
    }

    fn definition(&self, _defaults: &Defaults) -> Definition {
        Definition {
            title: "Reset a workspace",
            description: "Return the disk to the baseline; commands end.".to_owned(),
            parameters: vec![common::workspace_id(), common::baseline("snapshot")],
            hints: Hints::Destructive,
            payload: Payload::Record,
            output_schema: workspace_schema(),
        }
    }

    fn call<'a>(&'a self, call: &'a Call, arguments: Arguments) -> Work<'a> {
        Box::pin(async move {
            common::only_baseline(&arguments, "snapshot")?;
            // Not dropped with its call, as it decides at its end whether anything changes.
            let info = call.workspace(&arguments)?.reset().await?;
            Ok(described(call, "reset to baseline", info, None))
        })
    }
}
