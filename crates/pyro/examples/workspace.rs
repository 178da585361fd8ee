//! A machine that stays: a defect is seen, patched, seen to be gone, and shown as a diff.
//!
//! `cargo run -p pyro --example workspace`, with `pyro` in PATH and PYRO_RUNTIME_DIR at its `lib/pyro`.
#![expect(clippy::print_stdout, reason = "an example shows what it did")]

use pyro::{
    Command, CreateRequest, DiffRequest, ExecRequest, Pyro, Result, Settings, TreePath, WriteFileRequest,
};

const PATCH: &str = "--- a/greeting
+++ b/greeting
@@ -1 +1 @@
-helo
+hello
";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let pyro = Pyro::open(Settings::from_env()?);
    let workspace = pyro
        .create_workspace(&CreateRequest::default(), &mut |_| {})
        .await?;
    let greeting = TreePath::parse("greeting")?;
    workspace
        .write_file(&WriteFileRequest::new(greeting, "helo\n"))
        .await?;
    let check = || ExecRequest::new(Command::Shell("grep -x hello greeting".to_owned()));
    println!("before: exit {:?}", workspace.exec(check()).await?.exit_code);
    let patched = workspace.apply_patch(PATCH.as_bytes(), false).await?;
    println!("patched: {}", patched.entries[0].path);
    println!("after: {}", workspace.exec(check()).await?.stdout.trim_end());
    print!("{}", workspace.diff(&DiffRequest::default()).await?.patch);
    println!("resets: {}", workspace.reset().await?.reset_count);
    workspace.delete().await?;
    Ok(())
}
