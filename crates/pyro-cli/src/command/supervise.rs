//! `pyro supervise`: owns the VM of a running workspace. Started by pyro itself, and not for people.

use std::fs::File;
use std::os::fd::AsFd;

use clap::Args;
use pyro::Result;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::wait;

/// Own the VM of a running workspace; started by pyro itself
#[derive(Debug, Args)]
#[command(hide = true, after_help = "Example:\n  pyro workspace start alpha")]
pub(crate) struct Supervise {}

/// Runs a supervisor to its end.
pub(crate) fn execute(_supervise: &Supervise) -> Result<Exit> {
    let own = |stream: &dyn AsFd| {
        let copy = stream.as_fd().try_clone_to_owned();
        copy.map(File::from)
            .map_err(Failure::host("cannot take the streams"))
    };
    let (input, output) = (own(&std::io::stdin())?, own(&std::io::stdout())?);
    // The report ends with the copy.
    let null = File::options()
        .read(true)
        .write(true)
        .open("/dev/null")
        .map_err(Failure::host("cannot open /dev/null"))?;
    rustix::stdio::dup2_stdin(&null).map_err(|error| Failure::host("cannot let stdin go")(error.into()))?;
    rustix::stdio::dup2_stdout(&null).map_err(|error| Failure::host("cannot let stdout go")(error.into()))?;
    wait::block_on(pyro::supervise(input, output))?;
    Ok(Exit::Done)
}
