//! The commands of a workspace as they go on, on standard output.

use std::io;

use pyro::object::{ExecOutcome, LogEntry};
use pyro::{ErrorCode, LogFollower, Result};

use super::logs::{heading, reset};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Chunk, Output};
use crate::ui::{Form, Ui};
use crate::wait::Signals;

/// What was shown last.
#[derive(Debug, Default)]
struct Shown {
    generation: Option<u64>,
    /// The command whose output stands last.
    sequence: Option<u64>,
    is_mid_line: bool,
}

/// Shows what comes until nothing more can, nobody reads it, or a signal asks for the end.
///
/// # Errors
/// Whatever keeps it from being followed or shown.
pub(super) async fn show(ui: Ui, start: impl FnOnce() -> Result<LogFollower>) -> Result<Exit> {
    let mut signals = Signals::listen()?;
    let mut follower = start()?;
    let output = Output::start(ui.raw_streams()?)?;
    let reader = output.watch();
    let mut shown = Shown::default();
    let all = async {
        while let Some(entry) = follower.next().await? {
            let text = match ui.form() {
                Form::Json => json_line(&entry),
                Form::Human => shown.text(&entry),
            };
            output.write(Chunk::Stdout(text.into_bytes().into())).await;
        }
        Ok::<_, pyro::Error>(Exit::Done)
    };
    let exit = tokio::select! {
        exit = all => exit?,
        () = reader.closed() => Exit::Done,
        // What is still to be written is not waited for: its reader may take nothing.
        _ = signals.next() => return Ok(Exit::Guest(ErrorCode::Cancelled.exit_status())),
    };
    drop(reader);
    match output.finish().await {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::host("cannot write to standard output")(error).into())
        }
        Ok(()) | Err(_) => Ok(exit),
    }
}

fn json_line(entry: &LogEntry) -> String {
    let mut line = serde_json::to_string(entry).expect("result objects have string keys only");
    line.push('\n');
    line
}

impl Shown {
    /// A piece of output under the heading of its command, which is repeated after that of another.
    fn text(&mut self, entry: &LogEntry) -> String {
        let mut text = String::new();
        let is_another = self.sequence != Some(entry.sequence);
        let has_ended = entry.outcome != ExecOutcome::Running;
        if is_another || has_ended {
            if self.is_mid_line {
                text.push('\n');
            }
            text.push_str(&reset(&mut self.generation, entry));
            text.push_str(&heading(entry));
            self.is_mid_line = false;
        }
        for stream in [&entry.stdout, &entry.stderr] {
            text.push_str(stream);
            if !stream.is_empty() {
                self.is_mid_line = !stream.ends_with('\n');
            }
            if has_ended && self.is_mid_line {
                text.push('\n');
                self.is_mid_line = false;
            }
        }
        self.sequence = Some(entry.sequence);
        text
    }
}
