//! `pyro completions`: scripts by which shells complete what is typed.

use clap::Args;
use clap_complete::env::Shells;
use pyro::Result;

use crate::complete;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::ui::Ui;

/// Print a script by which a shell completes commands, options, environments and workspaces
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  pyro completions bash >~/.local/share/bash-completion/completions/pyro")]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_parser = ["bash", "zsh", "fish", "powershell", "elvish"])]
    shell: String,
}

/// Prints it.
pub(crate) fn execute(completions: &Completions, ui: Ui) -> Result<Exit> {
    let shells = Shells::builtins();
    let mut script = Vec::new();
    let written = shells
        .completer(&completions.shell)
        .map(|shell| shell.write_registration(complete::VARIABLE, "pyro", "pyro", "pyro", &mut script));
    match written {
        Some(Ok(())) => ui.bytes(&script)?,
        Some(Err(source)) => {
            let attempt = "cannot write the script";
            return Err(Failure::Host { attempt, source }.into());
        }
        None => {
            let message = format!("no script for `{}`", completions.shell);
            return Err(Failure::invalid(message, "see `pyro completions --help`").into());
        }
    }
    Ok(Exit::Done)
}
