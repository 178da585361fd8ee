//! Starts a supervisor, which outlives whoever started it.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::unix::pipe;

use super::error::{WorkspaceError, io_error};
use super::kind::Kind;
use crate::Pyro;
use crate::error::{Diagnosis, ErrorCode, Result};
use crate::id::WorkspaceId;
use crate::process::find_program;
use crate::supervisor::{Order, Report, Task};

/// The program, and its word for a supervisor.
const PROGRAM: &str = "pyro";
const WORD: &str = "supervise";

/// What it says goes here, in the workspace's directory.
const LOG: &str = "supervisor.log";

/// How large that may be before it is begun anew, in bytes.
const LOG_BYTES: u64 = 1 << 20;

/// A supervisor that did not come to its report.
#[derive(Debug, thiserror::Error)]
enum LaunchError {
    /// The program is not where it is looked for.
    #[error("`pyro`, which supervises workspaces, is not there")]
    NoProgram,
    /// It ended first.
    #[error("the supervisor of `{id}` ended unexpectedly")]
    Ended {
        /// The workspace.
        id: WorkspaceId,
        /// The end of what it said.
        said: String,
    },
}

impl Diagnosis for LaunchError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::NoProgram => ErrorCode::RuntimeDamaged,
            Self::Ended { .. } => ErrorCode::Internal,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoProgram => "put `pyro` into a directory of PATH".to_owned(),
            Self::Ended { said, .. } if said.is_empty() => "run it again; see `pyro doctor`".to_owned(),
            Self::Ended { said, .. } => format!("it said: {said}"),
        })
    }
}

/// Starts a supervisor and waits until the workspace or VM is started. Dropping the future undoes what it began.
pub(super) async fn launch(
    pyro: &Pyro,
    (kind, id): (Kind, WorkspaceId),
    dir: &Path,
    task: Task,
) -> Result<()> {
    let program = program(pyro).ok_or(LaunchError::NoProgram)?;
    let log = open_log(dir)?;
    let mut order =
        serde_json::to_vec(&Order::new(pyro.settings(), (kind, id), task)).expect("orders have a JSON form");
    order.push(b'\n');
    let io = |action| io_error(action, &program);
    let mut command = Command::new(&program);
    command
        .arg(WORD)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(log)
        .env_clear()
        // It holds no directory of the caller's, and hears none of its terminal's signals.
        .current_dir("/")
        .process_group(0);
    let mut child = command.spawn().map_err(io("run"))?;
    let (input, output) = (child.stdin.take(), child.stdout.take());
    // It is not waited for by whoever asked for it, and must leave nothing behind in a process that lives on.
    std::thread::spawn(move || drop(child.wait()));
    let (Some(mut input), Some(output)) = (input, output) else {
        return Err(LaunchError::NoProgram.into());
    };
    input.write_all(&order).map_err(io("order"))?;
    let output = pipe::Receiver::from_owned_fd(output.into()).map_err(io("hear"))?;
    let mut line = String::new();
    BufReader::new(output)
        .read_line(&mut line)
        .await
        .map_err(io("hear"))?;
    drop(input);
    match serde_json::from_str(&line) {
        Ok(Report::Ready) => Ok(()),
        Ok(Report::Failed(error)) => Err(error.into()),
        Err(_) => Err(LaunchError::Ended {
            id,
            said: last_line(&dir.join(LOG)),
        }
        .into()),
    }
}

/// The `pyro` that runs, or one that is installed.
fn program(pyro: &Pyro) -> Option<PathBuf> {
    let settings = pyro.settings();
    let own = std::env::current_exe()
        .ok()
        .filter(|path| path.file_name().is_some_and(|name| name == PROGRAM));
    settings
        .program
        .clone()
        .or(own)
        .or_else(|| find_program(&settings.search_path, PROGRAM))
}

fn open_log(dir: &Path) -> Result<File, WorkspaceError> {
    let path = dir.join(LOG);
    let is_long = std::fs::metadata(&path).is_ok_and(|metadata| metadata.len() > LOG_BYTES);
    File::options()
        .append(!is_long)
        .write(true)
        .create(true)
        .truncate(is_long)
        .mode(0o600)
        .open(&path)
        .map_err(io_error("open", path))
}

fn last_line(path: &Path) -> String {
    let text = std::fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    text.lines().next_back().unwrap_or_default().to_owned()
}
