//! The native module of the Python package `pyro_mcp`.
//!
//! It begins operations of the library by their names, with arguments as dictionaries, and hands over what they say. All
//! that a user of the package sees is made of that by its Python sources, in `python/pyro_mcp`.

mod beginning;
mod call;
mod context;
mod core;
mod event;
mod failure;
mod interpreter;
mod patch_text;
mod request;
mod runtime;
mod server_choice;
mod tools;
mod work;

use pyo3::prelude::*;

/// What the Python sources of the package stand on.
#[pymodule(name = "_native")]
mod native {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::call::Call;
    #[pymodule_export]
    use crate::core::Core;
    #[pymodule_export]
    use crate::failure::NativeError;
    #[pymodule_export]
    use crate::tools::Tools;
    #[expect(non_upper_case_globals, reason = "Python's name for it")]
    #[pymodule_export]
    const __version__: &str = env!("CARGO_PKG_VERSION");

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        crate::interpreter::shut_at_exit(module.py())
    }
}
