//! `vm_status`: what is known of a one-shot VM.

use super::{described, vm_id, vm_schema};
use crate::arguments::Arguments;
use crate::tool::{Call, Defaults, Definition, Hints, Payload, Tool, Work};

/// The tool `vm_status`.
#[derive(Debug)]
pub(crate) struct VmStatus;

impl Tool for VmStatus {
    fn name(&self) -> &'static str {
        "vm_status"
    }

    fn definition(&self, _defaults: &Defaults) -> Definition {
        Definition {
            title: "Show a VM",
            description: "Show state, size and expiry of a VM.".to_owned(),
            parameters: vec![vm_id()],
            hints: Hints::ReadOnly,
            payload: Payload::Record,
            output_schema: vm_schema(),
        }
    }

    fn call<'a>(&'a self, call: &'a Call, arguments: Arguments) -> Work<'a> {
        Box::pin(async move {
            let info = call.vm(&arguments)?.status()?;
            Ok(described(call, "status", info))
        })
    }
}
