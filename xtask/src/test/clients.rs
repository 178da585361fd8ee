//! MCP clients that pyro did not write, for its server to be tried with.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use fs_err as fs;

use crate::{Context, say};

/// The reference client in Python, for all revisions of the protocol, and OpenAI's, which the examples use.
const PYTHON_PACKAGES: [&str; 2] = ["mcp==2.3.0", "openai==3.57.0"];
/// The same from before the stateless revision, which most programs still use.
const PYTHON_V1_PACKAGES: [&str; 1] = ["mcp==1.30.0"];
/// A Node that is new enough for what follows.
const NODE: &str = "node@22";
/// The client that shows a person or a script what a server has.
const INSPECTOR_PACKAGES: [&str; 2] = ["@modelcontextprotocol/inspector@2.12.0", NODE];
/// The reference clients in TypeScript of both generations, and the conformance suite.
const NODE_PACKAGES: [&str; 4] = [
    "@modelcontextprotocol/sdk@1.32.2",
    "@modelcontextprotocol/client@2.4.0",
    "@modelcontextprotocol/conformance@0.2.0-alpha.12",
    NODE,
];

/// Where the clients are.
#[derive(Debug)]
pub(crate) struct Clients {
    /// A Python that can import `mcp`.
    pub(crate) python: PathBuf,
    /// Another Python, whose `mcp` is of the first generation.
    pub(crate) python_v1: PathBuf,
    /// A directory whose `node_modules/.bin` has `mcp-inspector` and `node`.
    pub(crate) inspector: PathBuf,
    /// A directory whose `node_modules` has the clients in TypeScript, the conformance suite and `.bin/node`.
    pub(crate) node: PathBuf,
}

/// Installs them into the build cache, once for each set of versions.
pub(crate) fn prepare(context: &Context) -> Result<Clients> {
    let _lock = context.layout.lock_cache()?;
    let python = python(context)?;
    let python_v1 = install_python(context, "python MCP client v1", &PYTHON_V1_PACKAGES)?;
    let inspector = install_node(context, "MCP inspector", &INSPECTOR_PACKAGES)?;
    let node = install_node(context, "TypeScript MCP clients", &NODE_PACKAGES)?;
    Ok(Clients {
        python,
        python_v1,
        inspector,
        node,
    })
}

/// The Python that can import `mcp` and `openai`. The caller holds the lock on the cache.
pub(crate) fn python(context: &Context) -> Result<PathBuf> {
    install_python(context, "python MCP client", &PYTHON_PACKAGES)
}

/// A directory whose `node_modules` has these packages.
fn install_node(context: &Context, name: &str, packages: &[&str]) -> Result<PathBuf> {
    once(context, name, packages, |dir| {
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--prefix"])
            .arg(dir);
        context.run(&format!("install {name}"), npm.args(packages).current_dir(dir))
    })
}

/// Makes an empty virtual environment of Python.
pub(crate) fn make_venv(context: &Context, dir: &Path) -> Result<()> {
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv", "--clear"]).arg(dir);
    context.run("make venv", &mut venv)
}

/// A Python with these packages.
pub(crate) fn install_python(context: &Context, name: &str, packages: &[&str]) -> Result<PathBuf> {
    let dir = once(context, name, packages, |dir| {
        make_venv(context, dir)?;
        let mut pip = Command::new(dir.join("bin/python"));
        pip.args(["-m", "pip", "install", "--quiet"]).args(packages);
        context.run("install python client", &mut pip)
    })?;
    Ok(dir.join("bin/python"))
}

/// Fills a directory of the cache, unless a marker says that it was filled with the same packages.
///
/// The directory is filled in its final place: a Python environment cannot be moved.
fn once(
    context: &Context,
    name: &str,
    packages: &[&str],
    install: impl FnOnce(&Path) -> Result<()>,
) -> Result<PathBuf> {
    let dir = context.layout.cache.join("clients").join(name.replace(' ', "-"));
    let marker = dir.with_extension("done");
    let wanted = packages.join("\n");
    if dir.exists() && fs::read_to_string(&marker).is_ok_and(|done| done == wanted) {
        return Ok(dir);
    }
    say::step(name, || {
        for leftover in [fs::remove_dir_all(&dir), fs::remove_file(&marker)] {
            ignore_missing(leftover)?;
        }
        fs::create_dir_all(&dir)?;
        install(&dir)?;
        fs::write(&marker, wanted)?;
        Ok(())
    })?;
    Ok(dir)
}

pub(crate) fn ignore_missing(outcome: std::io::Result<()>) -> std::io::Result<()> {
    match outcome {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
