//! The commands: one file each, with its arguments, whose comments are the help, and then what it does.

mod completions;
mod demo;
mod df;
mod doctor;
mod env;
mod host;
mod man;
mod mcp;
mod prepare;
mod prune;
mod run;
mod supervise;
mod tools;
mod workspace;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use pyro::Result;

use crate::complete;
use crate::exit::Exit;
use crate::logging;
use crate::option::GlobalOptions;
use crate::panic;
use crate::ui::Ui;
use crate::usage::{RawArguments, Refusal};

/// Disposable microVM workspaces for coding agents
#[derive(Debug, Parser)]
#[command(
    name = "pyro",
    bin_name = "pyro",
    version,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "Example:\n  pyro run debian:12 -- git --version"
)]
struct Cli {
    #[command(flatten)]
    global: GlobalOptions,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Run),
    Workspace(workspace::WorkspaceArgs),
    Env(env::Env),
    Prepare(prepare::Prepare),
    Demo(demo::Demo),
    Df(df::Df),
    Prune(prune::Prune),
    Doctor(doctor::Doctor),
    Mcp(mcp::Mcp),
    Host(host::HostArgs),
    Tools(tools::ToolsArgs),
    Completions(completions::Completions),
    Man(man::Man),
    Supervise(supervise::Supervise),
}

/// Does what the words of the command line ask for.
pub(crate) fn main(words: &[OsString]) -> ExitCode {
    if complete::answer(words, Cli::command) {
        return ExitCode::SUCCESS;
    }
    let raw = RawArguments::new(words);
    let early = raw.ui();
    panic::install(early);
    match Cli::try_parse_from(words) {
        Ok(cli) => {
            let ui = cli.global.ui();
            ui.conclude(execute(cli, ui))
        }
        Err(error) => match raw.explain::<Cli>(&error) {
            Refusal::Answer(text) => early.conclude(early.help(&text).map(|()| Exit::Done)),
            Refusal::Help(text) => {
                early.diagnostic(text.trim_end());
                ExitCode::from(2)
            }
            Refusal::Failure(failure) => early.conclude(Err(failure.into())),
        },
    }
}

/// Why words do not make `pyro` serve MCP on standard input and output; nothing if they do.
pub(crate) fn refusal_of_serve(args: &[String]) -> Option<String> {
    let words: Vec<OsString> = std::iter::once("pyro")
        .chain(args.iter().map(String::as_str))
        .map(Into::into)
        .collect();
    match Cli::try_parse_from(&words) {
        Ok(Cli {
            command: Command::Mcp(mcp),
            ..
        }) => mcp.refusal_on_stdio(),
        Ok(_) => Some("they are not those of `pyro mcp serve`".to_owned()),
        Err(error) => match RawArguments::new(&words).explain::<Cli>(&error) {
            Refusal::Failure(failure) => Some(failure.to_string()),
            Refusal::Answer(_) | Refusal::Help(_) => {
                Some("they are not those of `pyro mcp serve`".to_owned())
            }
        },
    }
}

fn execute(cli: Cli, ui: Ui) -> Result<Exit> {
    logging::install(ui.stderr_colours())?;
    let pyro = || Ok::<_, pyro::Error>(pyro::Pyro::open(cli.global.settings()?));
    match cli.command {
        Command::Run(run) => run::execute(run, &pyro()?, ui),
        Command::Workspace(workspace) => workspace::execute(workspace, &pyro()?, ui),
        Command::Supervise(supervise) => supervise::execute(&supervise),
        Command::Env(env) => env::execute(env, &pyro()?, ui),
        Command::Prepare(prepare) => prepare::execute(prepare, &pyro()?, ui),
        Command::Demo(demo) => demo::execute(demo, &pyro()?, ui),
        Command::Df(df) => df::execute(&df, &pyro()?, ui),
        Command::Prune(prune) => prune::execute(&prune, &pyro()?, ui),
        Command::Doctor(doctor) => doctor::execute(doctor, &pyro()?, ui),
        Command::Mcp(mcp) => mcp::execute(mcp, &pyro()?, ui),
        Command::Host(host) => host::execute(host, ui),
        Command::Tools(tools) => tools::execute(tools, &pyro()?, ui),
        Command::Completions(completions) => completions::execute(&completions, ui),
        Command::Man(man) => man::execute(&man, Cli::command(), ui),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every(command: &clap::Command, check: &impl Fn(&clap::Command)) {
        check(command);
        for child in command.get_subcommands() {
            every(child, check);
        }
    }

    #[test]
    fn the_grammar_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_an_example_and_every_argument_a_line_of_help() {
        every(&Cli::command(), &|command| {
            let example = command
                .get_after_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            assert!(example.contains("pyro "), "{} has no example", command.get_name());
            for argument in command.get_arguments() {
                let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
                assert!(!help.is_empty(), "{}: {}", command.get_name(), argument.get_id());
                assert!(!help.ends_with('.'), "{}: {help}", command.get_name());
            }
        });
    }
}
