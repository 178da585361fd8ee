//! The build scripting of pyro, and all of it: `cargo xtask quickstart | runtime | test | lab | bench | wheel`.

mod bench;
mod child;
mod digest;
mod dist;
mod environments;
mod firecracker;
mod lab;
mod layout;
mod packages;
mod quickstart;
mod runtime;
mod say;
mod test;
mod wheel;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::layout::Layout;

/// Builds, tries and measures pyro.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Cli {
    #[command(subcommand)]
    task: Task,
    /// Show what the commands print, as they print it.
    #[arg(short, long, global = true)]
    verbose: bool,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Install what is missing, build pyro, and run a first command in a VM.
    Quickstart,
    /// Build the guest's kernel and initramfs into the dist tree.
    Runtime,
    /// Run every check that a change must pass.
    Test(test::Options),
    /// Run the VM tests on the hardware tier, in an emulated machine that has it.
    Lab(lab::Options),
    /// Measure the built pyro.
    Bench(bench::Options),
    /// Build the wheel of the Python package into `target/wheels`.
    Wheel(wheel::Options),
}

/// What every task works with.
#[derive(Debug)]
struct Context {
    /// Where everything is.
    layout: Layout,
    /// Whether children's output is shown while they run.
    verbose: bool,
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say::failure(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Whether the task found everything in order.
fn run(cli: Cli) -> Result<bool> {
    let layout = match &cli.task {
        Task::Bench(bench::Options { dist: Some(dist), .. }) => Layout::of_dist(dist)?,
        _ => Layout::discover()?,
    };
    let context = Context {
        layout,
        verbose: cli.verbose,
    };
    match cli.task {
        Task::Quickstart => quickstart::run(&context)?,
        Task::Runtime => {
            packages::require(&context, packages::RUNTIME)?;
            runtime::build(&context)?;
        }
        Task::Test(options) => return test::run(&context, &options),
        Task::Lab(options) => return lab::run(&context, &options),
        Task::Bench(options) => bench::run(&context, &options)?,
        Task::Wheel(options) => wheel::run(&context, &options)?,
    }
    Ok(true)
}
