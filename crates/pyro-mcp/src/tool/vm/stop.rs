//! `vm_stop`: a one-shot VM is powered off, and its disk kept.

use pyro::object::VmState;

use super::{described, vm_id, vm_schema};
use crate::arguments::Arguments;
use crate::tool::{Call, Defaults, Definition, Hints, Payload, Tool, Work};

/// The tool `vm_stop`.
#[derive(Debug)]
pub(crate) struct VmStop;

impl Tool for VmStop {
    fn name(&self) -> &'static str {
        "vm_stop"
    }

    fn definition(&self, _defaults: &Defaults) -> Definition {
        Definition {
            title: "Stop a VM",
            description: "Power a VM off; its disk is kept until it is deleted.".to_owned(),
            parameters: vec![vm_id()],
            hints: Hints::Idempotent,
            payload: Payload::Record,
            output_schema: vm_schema(),
        }
    }

    fn call<'a>(&'a self, call: &'a Call, arguments: Arguments) -> Work<'a> {
        Box::pin(async move {
            // Not dropped with its call: a guest that was told to power off does so in any case.
            let info = call.vm(&arguments)?.stop().await?;
            let done = match info.state {
                VmState::Created => "not started yet",
                _ => "stopped",
            };
            Ok(described(call, done, info))
        })
    }
}
