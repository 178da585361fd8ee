//! `vm_create`: a one-shot VM is made, and not started.

use std::time::Duration;

use pyro::argument::DEFAULT_VM_TTL;
use pyro::{CreateVmRequest, Resources};

use super::{described, vm_schema};
use crate::arguments::Arguments;
use crate::tool::{Answer, Call, Defaults, Definition, Hints, Payload, Tool, Work, common};

/// The tool `vm_create`.
#[derive(Debug)]
pub(crate) struct VmCreate;

impl Tool for VmCreate {
    fn name(&self) -> &'static str {
        "vm_create"
    }

    fn definition(&self, defaults: &Defaults) -> Definition {
        Definition {
            title: "Create a VM",
            description: "Create a VM for one command; vm_start and vm_exec follow. Idle, it is deleted."
                .to_owned(),
            parameters: common::or_host(
                vec![
                    common::environment(defaults),
                    common::vcpu_count(),
                    common::mem_mib(defaults),
                    common::disk_gib(),
                    common::ttl_seconds(DEFAULT_VM_TTL),
                ],
                defaults,
            ),
            hints: Hints::OpenWorld,
            payload: Payload::Record,
            output_schema: vm_schema(),
        }
    }

    fn call<'a>(&'a self, call: &'a Call, arguments: Arguments) -> Work<'a> {
        Box::pin(create(call, arguments))
    }
}

async fn create(call: &Call, arguments: Arguments) -> pyro::Result<Answer> {
    let mut request = CreateVmRequest::default();
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
    let work = async { call.pyro.create_vm(&request, &mut |_| {}).await?.status() };
    let info = call.ending.unless_asked(work).await?;
    Ok(described(call, "created", info))
}
