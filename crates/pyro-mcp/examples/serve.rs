//! Serves the profile named by the first argument on standard input and output, as `pyro mcp serve` does.
//!
//! A second argument is the value of `--structured`.

use std::error::Error;

use pyro::{Pyro, Settings};
use pyro_mcp::{ServerOptions, serve_stdio};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut options = ServerOptions::default();
    if let Some(profile) = arguments.next() {
        options.profile = profile.parse()?;
    }
    if let Some(structured) = arguments.next() {
        options.structured = structured.parse()?;
    }
    serve_stdio(Pyro::open(Settings::from_env()?), options).await?;
    Ok(())
}
