//! `vm_start`: a one-shot VM boots.

use super::{described, vm_id, vm_schema};
use crate::arguments::Arguments;
use crate::tool::{Call, Defaults, Definition, Hints, Payload, Tool, Work};

/// The tool `vm_start`.
#[derive(Debug)]
pub(crate) struct VmStart;

impl Tool for VmStart {
    fn name(&self) -> &'static str {
        "vm_start"
    }

    fn definition(&self, _defaults: &Defaults) -> Definition {
        Definition {
            title: "Start a VM",
            description: "Start a created or stopped VM.".to_owned(),
            parameters: vec![vm_id()],
            hints: Hints::Idempotent,
            payload: Payload::Record,
            output_schema: vm_schema(),
        }
    }

    fn call<'a>(&'a self, call: &'a Call, arguments: Arguments) -> Work<'a> {
        Box::pin(async move {
            let vm = call.vm(&arguments)?;
            let info = call.ending.unless_asked(vm.start()).await?;
            Ok(described(call, "started", info))
        })
    }
}
