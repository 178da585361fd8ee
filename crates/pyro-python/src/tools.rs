//! The tools for a program's own loop of function calls.

use pyo3::prelude::*;
use pyro::{Error, Pyro};
use pyro_mcp::{FunctionFormat, ServerOptions, ToolBox, ToolOutput};
use pythonize::pythonize;
use serde::Serialize;
use serde_json::Value;

use crate::beginning;
use crate::call::Call;
use crate::event::Event;
use crate::failure::{CallError, raised};
use crate::work::Work;

/// The tools of a profile.
#[pyclass(module = "pyro_mcp._native", frozen)]
pub(crate) struct Tools {
    pyro: Pyro,
    tools: ToolBox,
}

/// What a model is told of a call.
#[derive(Serialize)]
struct Output {
    text: String,
    structured: Option<Value>,
    is_error: bool,
}

impl From<ToolOutput> for Output {
    fn from(output: ToolOutput) -> Self {
        Self {
            text: output.text,
            structured: output.structured,
            is_error: output.is_error,
        }
    }
}

impl Tools {
    pub(crate) fn new(pyro: Pyro, options: ServerOptions) -> Self {
        let tools = ToolBox::new(pyro.clone(), options);
        Self { pyro, tools }
    }

    /// The work of calling a tool.
    fn work(&self, name: String, arguments: String) -> Work {
        let tools = self.tools.clone();
        Box::new(move |context| {
            let mut is_cancelled = context.is_cancelled.clone();
            Box::pin(async move {
                tokio::select! {
                    output = tools.call(&name, &arguments) => Ok(Event::done(Output::from(output))),
                    Ok(_) = is_cancelled.wait_for(|is_cancelled| *is_cancelled) => {
                        Err(Error::from(CallError::Cancelled))
                    }
                }
            })
        })
    }
}

#[pymethods]
impl Tools {
    /// What the model should know about all of them together.
    fn instructions(&self) -> String {
        self.tools.instructions()
    }

    /// The definitions that an API takes.
    fn definitions(&self, py: Python<'_>, format: &str) -> PyResult<Py<PyAny>> {
        let format: FunctionFormat = format.parse().map_err(|error| raised(Error::from(error)))?;
        Ok(pythonize(py, &self.tools.definitions(format))?.unbind())
    }

    /// Begins the call of a tool.
    fn begin(&self, name: String, arguments: String, manner: &Bound<'_, PyAny>) -> PyResult<Call> {
        beginning::begin(&self.pyro, self.work(name, arguments), manner).map_err(raised)
    }
}
