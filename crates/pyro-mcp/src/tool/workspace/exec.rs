//! `workspace_exec`: a command in a workspace.

use std::time::Duration;

use pyro::argument::{DEFAULT_TIMEOUT, TIMEOUT_SECONDS};
use pyro::object::{ExecOutcome, WorkspaceExec};
use pyro::{Command, ExecRequest, LogStream, LogsRequest, Workspace};
use rmcp::model::JsonObject;

use super::TREE;
use super::diff::{FILE_CHARS, TOTAL_CHARS};
use crate::arguments::Arguments;
use crate::ending::Cancelled;
use crate::follow::follow;
use crate::options::Structured;
use crate::render::{Execution, keep_within, shorten_kept, write_changes, write_execution};
use crate::resource::{Address, Part, link_to_patch, links_to_output};
use crate::schema::{Kind, Parameter, output_schema};
use crate::task::{GoesOn, Watcher};
use crate::tool::{Answer, Call, Defaults, Definition, Hints, Payload, Tool, Work, common, object};

/// The tool `workspace_exec`.
#[derive(Debug)]
pub(crate) struct Exec;

impl Tool for Exec {
    fn name(&self) -> &'static str {
        "workspace_exec"
    }

    fn definition(&self, defaults: &Defaults) -> Definition {
        let mut parameters = vec![
            common::workspace_id(),
            common::command(),
            common::timeout_seconds(DEFAULT_TIMEOUT),
            common::wait_seconds("Call limit", 1, 25),
            Parameter::verbatim_or("cwd", "Directory", TREE),
            Parameter::new("env", "Variables", Kind::Map),
            Parameter::flag("return_diff", "Diff"),
            common::max_output_chars("Per stream", 20_000),
        ];
        if defaults.profile.is_full() {
            parameters.push(Parameter::text("user", "Name or uid, with :group"));
        }
        Definition {
            title: "Run a command in a workspace",
            description: "Run a shell command. One that outlives the call runs on.".to_owned(),
            parameters,
            hints: if defaults.profile.is_full() {
                Hints::OpenWorld
            } else {
                Hints::Nothing
            },
            payload: Payload::Text,
            output_schema: schema(),
        }
    }

    fn call<'a>(&'a self, call: &'a Call, arguments: Arguments) -> Work<'a> {
        Box::pin(exec(call, arguments))
    }
}

fn schema() -> JsonObject {
    output_schema(&[
        ("workspace_id", "string"),
        ("sequence", "integer"),
        ("generation", "integer"),
        ("command", "string"),
        ("cwd", "string"),
        ("stdout", "string"),
        ("stderr", "string"),
        ("stdout_info", "object"),
        ("stderr_info", "object"),
        ("outcome", "string"),
        ("duration_ms", "integer"),
        ("left_running", "integer"),
    ])
}

async fn exec(call: &Call, arguments: Arguments) -> pyro::Result<Answer> {
    let command = Command::Shell(arguments.text("command").to_owned());
    command.validate()?;
    let mut request = ExecRequest::new(command);
    request.timeout = Some(Duration::from_secs(arguments.integer("timeout_seconds")));
    request.cwd = Some(arguments.text("cwd").to_owned());
    request.env = arguments
        .map("env")
        .into_iter()
        .map(|(name, value)| (name, value.into()))
        .collect();
    request.return_diff = arguments.flag("return_diff");
    if arguments.has("user") {
        request.user = arguments.optional_text("user").map(str::to_owned);
    }
    let workspace = call.workspace(&arguments)?;
    let run = || workspace.start_exec(request);
    let wait = Duration::from_secs(arguments.integer("wait_seconds"));
    let exec = follow(
        run,
        &call.ending,
        Some(wait),
        |event| call.progress.note(event),
        Cancelled::Exec,
    )
    .await?;
    let show = Show {
        structured: call.options.structured,
        max_chars: common::max_chars(&arguments),
    };
    let so_far = (exec.outcome == ExecOutcome::Running).then(|| exec.clone());
    let mut answer = show.answer(exec);
    answer.goes_on = so_far.map(|exec| {
        let limit = Duration::from_secs(arguments.integer("timeout_seconds"));
        GoesOn::new(Some(limit), move |watcher| rest(workspace, exec, show, watcher))
    });
    Ok(answer)
}

/// How an answer is shown.
#[derive(Debug, Clone, Copy)]
struct Show {
    structured: Structured,
    max_chars: usize,
}

impl Show {
    fn answer(self, mut exec: WorkspaceExec) -> Answer {
        let Self {
            structured,
            max_chars,
        } = self;
        let changes = exec.diff.as_deref_mut().map(|diff| {
            keep_within(diff, FILE_CHARS, TOTAL_CHARS);
            write_changes(&object(diff))
        });
        let text = write_execution(&Execution::in_workspace(&exec, changes), max_chars);
        let streams = [
            (LogStream::Stdout, exec.stdout.as_str(), &exec.stdout_info),
            (LogStream::Stderr, exec.stderr.as_str(), &exec.stderr_info),
        ];
        let (id, sequence) = (exec.workspace_id, exec.sequence);
        let mut links = links_to_output(streams, max_chars, |stream| {
            Address::Workspace(id.into(), Part::Output { sequence, stream })
        });
        let changes = Address::Workspace(id.into(), Part::Diff);
        links.extend(link_to_patch(exec.diff.as_deref(), &changes));
        let structured = structured.where_asked_for(|| {
            shorten_kept(&mut exec, max_chars);
            object(&exec)
        });
        Answer {
            text,
            structured,
            links,
            goes_on: None,
        }
    }
}

/// Waits for the end of a command that outlived its call, and takes what came of it from the history.
async fn rest(
    workspace: Workspace,
    mut exec: WorkspaceExec,
    show: Show,
    watcher: Watcher,
) -> pyro::Result<Answer> {
    let sequence = exec.sequence;
    let longest = Duration::from_secs(*TIMEOUT_SECONDS.end());
    tokio::select! {
        waited = workspace.wait_for_command(sequence, longest) => waited?,
        () = watcher.cancelled() => {
            workspace.cancel_command(sequence).await?;
            workspace.wait_for_command(sequence, longest).await?;
            return Err(Cancelled::Exec.into());
        }
    }
    let mut request = LogsRequest::default();
    request.sequence = Some(sequence);
    if let Some(entry) = workspace.logs(&request)?.entries.pop() {
        exec.outcome = entry.outcome;
        exec.exit_code = entry.exit_code;
        exec.timed_out = entry.outcome == ExecOutcome::TimedOut;
        exec.cancelled = entry.outcome == ExecOutcome::Cancelled;
        exec.duration_ms = entry.duration_ms.unwrap_or(exec.duration_ms);
        (exec.stdout, exec.stdout_info) = (entry.stdout, entry.stdout_info);
        (exec.stderr, exec.stderr_info) = (entry.stderr, entry.stderr_info);
    }
    Ok(show.answer(exec))
}
