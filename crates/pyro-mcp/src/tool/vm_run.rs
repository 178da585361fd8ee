//! `vm_run`: one command in a VM that ends with it.

use std::pin::pin;
use std::time::Duration;

use pyro::argument::{DEFAULT_TIMEOUT, DEFAULT_VM_TTL};
use pyro::object::VmRun as Outcome;
use pyro::{BackgroundRuns, Command, Diagnosis, ErrorCode, Resources, RunEvent, RunRequest, VmId};

use super::{Answer, Call, Defaults, Definition, Hints, Payload, Tool, Work, common, one_shot};
use crate::arguments::Arguments;
use crate::ending::Cancelled;
use crate::follow::{follow, to_its_end, wait_for};
use crate::options::Structured;
use crate::schema::Parameter;
use crate::task::{GoesOn, Watcher};

/// The tool `vm_run`.
#[derive(Debug)]
pub(crate) struct VmRun;

/// The catalog, with the tools that a model cannot expect everywhere.
const CATALOG: [(&str, Option<&str>); 3] = [
    ("debian:12", Some("git")),
    ("debian:12-base", None),
    ("debian:12-build", Some("gcc, python3")),
];

impl Tool for VmRun {
    fn name(&self) -> &'static str {
        "vm_run"
    }

    fn definition(&self, defaults: &Defaults) -> Definition {
        Definition {
            title: "Run a command in a throwaway VM",
            description: format!(
                "Run a shell command in a fresh Linux VM without network, then deleted: {}, any OCI image. Pass vm_id instead \
                 to wait on for one still running.",
                environments(&defaults.environment)
            ),
            parameters: common::or_host(parameters(defaults), defaults),
            hints: Hints::OpenWorld,
            payload: Payload::Text,
            output_schema: one_shot::output_schema(),
        }
    }

    fn call<'a>(&'a self, call: &'a Call, arguments: Arguments) -> Work<'a> {
        Box::pin(run(call, arguments))
    }
}

/// The default environment, then the rest of the catalog.
fn environments(default: &str) -> String {
    let known = CATALOG.iter().find(|(name, _)| *name == default);
    let tools = known.and_then(|(_, tools)| *tools);
    let mut list = match tools {
        Some(tools) => format!("{default} (default; {tools})"),
        None => format!("{default} (default)"),
    };
    for (name, tools) in CATALOG.iter().filter(|(name, _)| *name != default) {
        list.push_str(", ");
        list.push_str(name);
        if let Some(tools) = tools {
            list.push_str(&format!(" ({tools})"));
        }
    }
    list
}

fn parameters(defaults: &Defaults) -> Vec<Parameter> {
    vec![
        Parameter {
            required: false,
            ..common::command()
        },
        Parameter::text("vm_id", "Run to wait on for"),
        common::wait_seconds("Call limit", 1, 25),
        common::environment(defaults),
        common::vcpu_count().unlisted(),
        common::mem_mib(defaults),
        common::timeout_seconds(DEFAULT_TIMEOUT),
        // Its command is all that the VM is there for, so it is never idle for as long.
        common::ttl_seconds(DEFAULT_VM_TTL).unlisted(),
        Parameter::text("seed_path", "Directory for /workspace"),
        Parameter::flag("return_diff", "Diff"),
        // Output that was cut says how to see more of it, without another run.
        common::max_output_chars("Per stream", 20_000).unlisted(),
    ]
}

/// Arguments that name no one run.
#[derive(Debug, thiserror::Error)]
enum NoOneRun {
    /// Neither a new one nor one that goes on.
    #[error("`command` is required")]
    Neither,
    /// A new one and one that goes on.
    #[error("`command` and `vm_id` exclude each other")]
    Both,
}

impl Diagnosis for NoOneRun {
    fn code(&self) -> ErrorCode {
        ErrorCode::InvalidArgument
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Neither => "pass `command` as a string, or `vm_id` to wait on for a run".to_owned(),
            Self::Both => {
                "pass `vm_id` alone to wait on for its run, `command` alone to begin another".to_owned()
            }
        })
    }
}

async fn run(call: &Call, arguments: Arguments) -> pyro::Result<Answer> {
    let wait = Duration::from_secs(arguments.integer("wait_seconds"));
    let outcome = match (
        arguments.optional_text("command"),
        arguments.optional_text("vm_id"),
    ) {
        (None, None) => return Err(NoOneRun::Neither.into()),
        (Some(_), Some(_)) => return Err(NoOneRun::Both.into()),
        (None, Some(vm_id)) => {
            let vm_id: VmId = vm_id.parse()?;
            let note = |event: &RunEvent| call.progress.note(event);
            wait_for(call.runs.follow(&vm_id)?, &call.ending, wait, note).await?
        }
        (Some(command), None) => begin(call, &arguments, command, wait).await?,
    };
    let show = Show {
        structured: call.options.structured,
        max_chars: common::max_chars(&arguments),
    };
    let Outcome::Running(exec) = &outcome else {
        return Ok(show.answer(outcome));
    };
    // Of a run that was begun by another call, the limit is not known.
    let limit = Duration::from_secs(arguments.integer("timeout_seconds"));
    let limit = arguments.optional_text("command").map(|_| limit);
    let (runs, vm_id) = (call.runs.clone(), exec.vm_id);
    let mut answer = show.answer(outcome);
    answer.goes_on = Some(GoesOn::new(limit, move |watcher| {
        rest(runs, vm_id, show, watcher)
    }));
    Ok(answer)
}

/// How an answer is shown.
#[derive(Debug, Clone, Copy)]
struct Show {
    structured: Structured,
    max_chars: usize,
}

impl Show {
    fn answer(self, outcome: Outcome) -> Answer {
        let Self {
            structured,
            max_chars,
        } = self;
        match outcome {
            Outcome::Ended(exec) => one_shot::ended(structured, *exec, one_shot::Made::WithIt, max_chars),
            Outcome::Running(exec) => one_shot::running(structured, *exec, max_chars),
        }
    }
}

/// Waits for the end of a run that outlived its call.
async fn rest(runs: BackgroundRuns, vm_id: VmId, show: Show, watcher: Watcher) -> pyro::Result<Answer> {
    let run = runs.follow(&vm_id)?;
    let control = run.control();
    let mut work = pin!(to_its_end(run, |event: &RunEvent| watcher.note(event)));
    tokio::select! {
        outcome = &mut work => return Ok(show.answer(outcome?)),
        () = watcher.cancelled() => control.cancel(),
    }
    work.await?;
    Err(Cancelled::Run.into())
}

/// Runs a command to its end, or until the call's time is up.
async fn begin(call: &Call, arguments: &Arguments, command: &str, wait: Duration) -> pyro::Result<Outcome> {
    let mut request = request(call, arguments, command)?;
    if let Some(given) = arguments.optional_text("seed_path") {
        let source = call.host_paths.source(call.context.as_ref(), given);
        request.seed_path = Some(call.ending.unless_asked(source).await?);
    }
    let run = || call.runs.start(request);
    let note = |event: &RunEvent| call.progress.note(event);
    follow(run, &call.ending, Some(wait), note, Cancelled::Run).await
}

fn request(call: &Call, arguments: &Arguments, command: &str) -> pyro::Result<RunRequest> {
    let command = Command::Shell(command.to_owned());
    command.validate()?;
    let mut request = RunRequest::new(command);
    request.environment = Some(arguments.text("environment").to_owned());
    request.resources = Resources::new(
        arguments.integer("vcpu_count"),
        arguments.integer("mem_mib"),
        Resources::default().disk_gib().into(),
        call.host_memory_mib,
    )?;
    request.isolation = call.options.isolation;
    request.allow_host_compat = common::may_use_host(arguments);
    request.timeout = Some(Duration::from_secs(arguments.integer("timeout_seconds")));
    request.ttl = Duration::from_secs(arguments.integer("ttl_seconds"));
    request.return_diff = arguments.flag("return_diff");
    Ok(request)
}
