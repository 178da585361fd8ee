//! What a program that lives in one workspace waits for, in milliseconds: one JSON object, a list of samples for each kind
//! of call. `cargo xtask bench` runs it.
//!
//! `cargo run --release -p pyro --example latency -- COMMANDS RESETS`, with `pyro` in PATH and PYRO_RUNTIME_DIR at its
//! `lib/pyro`.
#![expect(clippy::print_stdout, reason = "an example shows what it measured")]

use std::ffi::OsString;
use std::time::{Duration, Instant};

use pyro::{
    Command, CreateRequest, ExecRequest, Pyro, Result, Settings, TreePath, Workspace, WriteFileRequest,
};
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut counts = std::env::args().skip(1).map(|count| count.parse().unwrap_or(10));
    let (commands, resets) = (counts.next().unwrap_or(100), counts.next().unwrap_or(10));
    let pyro = Pyro::open(Settings::from_env()?);
    let workspace = pyro
        .create_workspace(&CreateRequest::default(), &mut |_| {})
        .await?;
    let measured = measure(&workspace, commands, resets).await;
    workspace.delete().await?;
    println!("{}", measured?);
    Ok(())
}

/// How often the guest starts a program by itself each time that it is measured.
const FORKS: u32 = 50;

/// After how many commands that is: what a host does changes by the minute, and with it what is compared.
const COMPARED_EVERY: u32 = 20;

async fn measure(workspace: &Workspace, commands: u32, resets: u32) -> Result<serde_json::Value> {
    let path = TreePath::parse("large")?;
    let contents = vec![b'x'; 1 << 20];
    let ping = sample(commands, async || workspace.ping().await).await?;
    let (mut exec, mut forks) = (Vec::new(), Vec::new());
    for _ in 0..commands.div_ceil(COMPARED_EVERY) {
        let next = sample(COMPARED_EVERY, async || {
            let command = Command::Argv(vec!["/bin/true".into()]);
            workspace.exec(ExecRequest::new(command)).await.map(drop)
        });
        exec.extend(next.await?);
        forks.push(forks_once(workspace).await?);
    }
    let write = sample(commands, async || {
        let request = WriteFileRequest::new(path.clone(), contents.clone());
        workspace.write_file(&request).await.map(drop)
    })
    .await?;
    let reset = sample(resets, async || workspace.reset().await.map(drop)).await?;
    Ok(json!({"ping": ping, "exec": exec, "forks": forks, "write": write, "reset": reset}))
}

/// How long the guest's own shell takes to run a program once, in milliseconds.
async fn forks_once(workspace: &Workspace) -> Result<f64> {
    let script = format!("i=0; while [ $i -lt {FORKS} ]; do /bin/true; i=$((i+1)); done");
    // Not as a login shell, which runs more than that.
    let command = ["/bin/sh", "-c", &script].map(OsString::from);
    let done = workspace
        .exec(ExecRequest::new(Command::Argv(command.into())))
        .await?;
    Ok(Duration::from_millis(done.duration_ms).as_secs_f64() * 1e3 / f64::from(FORKS))
}

/// How long each of some calls takes, in milliseconds, after one that is not counted.
async fn sample(count: u32, mut call: impl AsyncFnMut() -> Result<()>) -> Result<Vec<f64>> {
    call().await?;
    let mut samples = Vec::new();
    for _ in 0..count {
        let began = Instant::now();
        call().await?;
        samples.push(began.elapsed().as_secs_f64() * 1e3);
    }
    Ok(samples)
}
