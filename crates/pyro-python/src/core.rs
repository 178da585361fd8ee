//! The way in: settings from Python, and operations begun.

use pyo3::prelude::*;
use pyro::{Error, Pyro, Settings};
use serde::Deserialize;

use crate::call::Call;
use crate::failure::{CallError, raised};
use crate::request::{self, HostText};
use crate::server_choice::ServerChoice;
use crate::tools::Tools;
use crate::{beginning, work};

/// What pyro is opened with, on top of the environment variables.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Choice {
    base_dir: Option<HostText>,
    cache_dir: Option<HostText>,
    isolation: String,
    allow_host_compat: bool,
    /// Where the package has kernel and agent, and the program that supervises workspaces.
    runtime_dir: Option<HostText>,
    program: Option<HostText>,
}

/// The way in.
#[pyclass(module = "pyro_mcp._native", frozen)]
pub(crate) struct Core {
    pyro: Pyro,
}

#[pymethods]
impl Core {
    /// Opens pyro. Touches nothing on disk.
    #[new]
    fn new(choice: &Bound<'_, PyAny>) -> PyResult<Self> {
        let settings = settings(choice).map_err(raised)?;
        Ok(Self {
            pyro: Pyro::open(settings),
        })
    }

    /// Begins an operation.
    fn begin(&self, name: &str, arguments: &Bound<'_, PyAny>, manner: &Bound<'_, PyAny>) -> PyResult<Call> {
        work::ask(name, arguments)
            .and_then(|work| beginning::begin(&self.pyro, work, manner))
            .map_err(raised)
    }

    /// Makes the tools of a server for a program's own loop of function calls.
    fn tool_box(&self, choice: &Bound<'_, PyAny>) -> PyResult<Tools> {
        let options = request::read::<ServerChoice>(choice).and_then(ServerChoice::options);
        Ok(Tools::new(self.pyro.clone(), options.map_err(raised)?))
    }
}

fn settings(choice: &Bound<'_, PyAny>) -> Result<Settings, Error> {
    let choice: Choice = request::read(choice)?;
    let mut settings = Settings::from_env()?;
    if let Some(dir) = choice.base_dir {
        settings.home = absolute("base_dir", dir)?;
    }
    if let Some(dir) = choice.cache_dir {
        settings.cache_dir = absolute("cache_dir", dir)?;
    }
    // Where the caller has no wish of its own, the variable decides.
    if choice.isolation != "auto" {
        settings.isolation = choice.isolation.parse()?;
    }
    settings.allow_host_compat = choice.allow_host_compat;
    if settings.runtime_dir.is_none() {
        settings.runtime_dir = choice.runtime_dir.map(HostText::into_path);
    }
    settings.program = choice.program.map(HostText::into_path);
    Ok(settings)
}

fn absolute(name: &str, dir: HostText) -> Result<std::path::PathBuf, Error> {
    std::path::absolute(dir.into_path()).map_err(|error| CallError::argument(name, error.to_string()).into())
}
