//! A machine that stays: two commands in it, and a reset between them.
//!
//! `cargo run -p pyro --example workspace`, with `pyro` in PATH and PYRO_RUNTIME_DIR at its `lib/pyro`.
#![expect(clippy::print_stdout, reason = "an example shows what it did")]

use pyro::{Command, CreateRequest, ExecRequest, Pyro, Result, Settings};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let pyro = Pyro::open(Settings::from_env()?);
    let workspace = pyro
        .create_workspace(&CreateRequest::default(), &mut |_| {})
        .await?;
    for command in ["echo hello >greeting; cat greeting", "ls -A | wc -l"] {
        let request = ExecRequest::new(Command::Shell(command.to_owned()));
        let result = workspace.exec(request).await?;
        println!("#{}: {}", result.sequence, result.stdout.trim_end());
        workspace.reset().await?;
    }
    workspace.delete().await?;
    Ok(())
}
