//! `vm_exec`: the one command of a VM that was started for it.

use std::time::Duration;

use pyro::argument::DEFAULT_TIMEOUT;
use pyro::{Command, ExecRequest, RunEvent};

use super::vm_id;
use crate::arguments::Arguments;
use crate::ending::Cancelled;
use crate::follow::follow;
use crate::tool::{Answer, Call, Defaults, Definition, Hints, Payload, Tool, Work, common, one_shot};

/// The tool `vm_exec`.
#[derive(Debug)]
pub(crate) struct VmExec;

impl Tool for VmExec {
    fn name(&self) -> &'static str {
        "vm_exec"
    }

    fn definition(&self, _defaults: &Defaults) -> Definition {
        Definition {
            title: "Run the command of a VM",
            description: "Run a shell command in a started VM to its end; the VM is then deleted.".to_owned(),
            parameters: vec![
                vm_id(),
                common::command(),
                common::timeout_seconds(DEFAULT_TIMEOUT),
                common::max_output_chars("Per stream", 20_000),
            ],
            hints: Hints::DestructiveOpenWorld,
            payload: Payload::Text,
            output_schema: one_shot::output_schema(),
        }
    }

    fn call<'a>(&'a self, call: &'a Call, arguments: Arguments) -> Work<'a> {
        Box::pin(exec(call, arguments))
    }
}

async fn exec(call: &Call, arguments: Arguments) -> pyro::Result<Answer> {
    let command = Command::Shell(arguments.text("command").to_owned());
    command.validate()?;
    let mut request = ExecRequest::new(command);
    request.timeout = Some(Duration::from_secs(arguments.integer("timeout_seconds")));
    let vm = call.vm(&arguments)?;
    let run = || vm.start_exec(request);
    let max_chars = common::max_chars(&arguments);
    let note = |event: &RunEvent| call.progress.note(event);
    let exec = follow(run, &call.ending, None, note, Cancelled::VmExec).await?;
    if let Err(error) = call.runs.keep(&exec) {
        tracing::warn!(%error, "a result is not kept");
    }
    Ok(one_shot::ended(
        call.options.structured,
        exec,
        one_shot::Made::Before,
        max_chars,
    ))
}
