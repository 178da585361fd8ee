//! The `pyro` command: arguments in, the library's answers out. No behaviour of its own lives here.

mod bounded;
mod command;
mod complete;
mod diffstat;
mod exit;
mod failure;
mod follow;
mod format;
mod host;
mod host_path;
mod logging;
mod option;
mod output;
mod panic;
mod patch_colour;
mod progress;
mod project;
mod stdin;
mod table;
mod tool_choice;
mod ui;
mod usage;
mod wait;
mod when;

use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().collect();
    command::main(&words)
}
