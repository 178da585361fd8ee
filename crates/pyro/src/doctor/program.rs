//! Asking a program of the host, which may be broken, something short.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

/// The longest that a program is waited for. One that has not answered by then is killed.
const BOUND: Duration = Duration::from_secs(5);

/// Runs a program with an empty environment and gives its standard output, if it exits with status 0 in time.
pub(super) async fn ask(program: &Path, arguments: &[&str]) -> Option<String> {
    let output = tokio::process::Command::new(program)
        .args(arguments)
        .env_clear()
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(BOUND, output).await.ok()?.ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}
