//! `PYRO_LOG`: what pyro tells about its work, on stderr.

use std::io;

use pyro::Result;
use tracing_subscriber::EnvFilter;

use crate::failure::Failure;

const VARIABLE: &str = "PYRO_LOG";

/// Installs the log, if one is asked for. Without it no log exists at all, so the start stays fast.
pub(crate) fn install(colours: bool) -> Result<()> {
    let Some(directives) = directives() else {
        return Ok(());
    };
    let filter = EnvFilter::builder().parse(&directives).map_err(|error| {
        Failure::invalid(
            format!("`{VARIABLE}` cannot be used: {error}"),
            "try `PYRO_LOG=debug`",
        )
    })?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(colours)
        .init();
    Ok(())
}

/// Whether the user asked for everything that helps to find a fault.
pub(crate) fn wants_debug() -> bool {
    directives().is_some_and(|directives| directives.contains("debug") || directives.contains("trace"))
}

fn directives() -> Option<String> {
    std::env::var(VARIABLE).ok().filter(|value| !value.is_empty())
}
