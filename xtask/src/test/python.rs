//! The Python package, as those get it who install its wheel and nothing else.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use super::{TIER, Tally, clients};
use crate::{Context, environments, say, wheel};

/// What checks types, from PyPI.
const TYPE_CHECKER: [&str; 1] = ["mypy==2.4.1"];

/// Builds the wheel, installs it into an empty virtual environment, and runs the package's tests there.
pub(super) fn check(context: &Context, tally: &mut Tally) -> Result<()> {
    let (checker, client) = {
        let _lock = context.layout.lock_cache()?;
        (
            clients::install_python(context, "python type checker", &TYPE_CHECKER)?,
            clients::python(context)?,
        )
    };
    environments::prepare(context)?;
    let own = context.layout.own();
    let wheel = wheel::build(context, wheel::DEV, &own.join("wheel"))?;
    let venv = own.join("python");
    let python = say::step("install wheel", || {
        clients::make_venv(context, &venv)?;
        let python = venv.join("bin/python");
        let mut pip = Command::new(&python);
        pip.args(["-m", "pip", "install", "--quiet", "--no-index"])
            .arg(wheel);
        context.run("install wheel", &mut pip)?;
        Ok(python)
    })?;
    types(context, &checker, &python)?;
    let mut tests = Command::new(&python);
    let caller = std::env::vars_os().map(|(name, _)| name);
    for name in caller.filter(|name| name.to_string_lossy().starts_with("PYRO_")) {
        tests.env_remove(name);
    }
    tests
        .arg("run.py")
        .current_dir(context.layout.root.join("python/tests"))
        .env("PYRO_TEST_CACHE", environments::of_tests(context))
        .env("PYRO_TEST_TIER", TIER)
        .env("PYRO_TEST_PYTHON", client);
    let status = say::step("python tests", || {
        context.watch("python tests", &mut tests, |line| {
            if let Some(news) = tally.read(line) {
                say::note(&news);
            }
        })
    })?;
    if !status.success() {
        context.show_log("python tests")?;
        bail!("the tests of the Python package failed: {status}");
    }
    Ok(())
}

/// Checks the types of the package as installed: in themselves, as users' programs meet them, and against the code.
fn types(context: &Context, checker: &Path, python: &Path) -> Result<()> {
    let tests = context.layout.root.join("python/tests");
    say::step("python types", || {
        let cache = context.layout.own().join("mypy");
        let mypy = |words: &[&str]| {
            let mut mypy = Command::new(checker);
            mypy.args(["-m", "mypy", "--strict", "--python-executable"])
                .arg(python)
                .args(words)
                .env("MYPY_CACHE_DIR", &cache)
                .current_dir(&tests);
            context.run("python types", &mut mypy)
        };
        mypy(&["--package", "pyro_mcp"])?;
        mypy(&["."])?;
        let mut stubtest = Command::new(checker);
        let site = site_packages(python)?;
        // It has its cache where it is started, whatever it is told.
        stubtest
            .args(["-m", "mypy.stubtest", "pyro_mcp", "--concise"])
            .env("PYTHONPATH", &site)
            .env("MYPYPATH", &site)
            .current_dir(context.layout.own());
        context.run("python stubs", &mut stubtest)
    })
}

/// Where an interpreter has its packages.
fn site_packages(python: &Path) -> Result<String> {
    let ask = "import sysconfig; print(sysconfig.get_path('purelib'))";
    let answer = crate::child::output(Command::new(python).args(["-c", ask]))?;
    Ok(answer.trim().to_owned())
}
