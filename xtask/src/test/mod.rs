//! Runs every check that a change must pass.

pub(crate) mod clients;
mod python;
mod tally;

use std::process::Command;

use anyhow::{Result, bail};
use clap::Args;

use crate::child::output;
use crate::test::clients::Clients;
pub(crate) use crate::test::tally::Tally;
use crate::{Context, dist, environments, lab, packages, say};

/// How to run the checks.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Run only these checks, of: fmt, clippy, doc, dist, tests, python, lab.
    checks: Vec<String>,
}

type Check = fn(&Context, &mut Tally) -> Result<()>;

/// The cheapest first: what fails soon, fails early.
const CHECKS: [(&str, Check); 7] = [
    ("fmt", fmt),
    ("clippy", clippy),
    ("doc", doc),
    ("dist", |context, _| dist::build(context)),
    ("tests", tests),
    ("python", python::check),
    ("lab", lab::check),
];

/// The tier of the tests on this host: it needs no hardware. The lab has the others.
const TIER: &str = "emulated/qemu";

/// Whether everything passed.
pub(crate) fn run(context: &Context, options: &Options) -> Result<bool> {
    if let Some(unknown) = options
        .checks
        .iter()
        .find(|name| CHECKS.iter().all(|(known, _)| known != name))
    {
        bail!("no check {unknown}; there are fmt, clippy, doc, dist, tests, python, lab");
    }
    let mut tally = Tally::default();
    let outcome = prepare(context).and_then(|()| {
        let chosen = CHECKS.iter().filter(|(name, _)| {
            options.checks.is_empty() || options.checks.iter().any(|chosen| chosen == name)
        });
        for (name, check) in chosen {
            check(context, &mut tally).map_err(|error| error.context(format!("check {name}")))?;
        }
        Ok(())
    });
    if let Err(error) = &outcome {
        say::failure(&format!("{error:#}"));
        // A check that fails before any test does is a failure too.
        tally.failed = tally.failed.max(1);
    }
    say::result(&tally.to_string());
    Ok(outcome.is_ok())
}

fn prepare(context: &Context) -> Result<()> {
    packages::require(
        context,
        &[
            packages::RUNTIME,
            packages::PRODUCT,
            packages::TESTS,
            packages::LAB,
        ]
        .concat(),
    )?;
    let missing: Vec<&str> = [("fmt", "rustfmt"), ("clippy", "clippy")]
        .into_iter()
        .filter(|(subcommand, _)| !answers(context.layout.cargo().args([subcommand, "--version"])))
        .map(|(_, component)| component)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    say::step("install rust components", || {
        let mut rustup = Command::new("rustup");
        rustup
            .args(["component", "add"])
            .args(missing)
            .current_dir(&context.layout.root);
        context.run("install rust components", &mut rustup)
    })
}

fn fmt(context: &Context, _: &mut Tally) -> Result<()> {
    cargo(context, "fmt", &["fmt", "--all", "--check"], &[])
}

fn clippy(context: &Context, _: &mut Tally) -> Result<()> {
    let words = [
        "clippy",
        "--locked",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ];
    cargo(context, "clippy", &words, &[])
}

/// Libraries only: the program `pyro` would be documented over the library of that name.
fn doc(context: &Context, _: &mut Tally) -> Result<()> {
    let words = [
        "doc",
        "--locked",
        "--workspace",
        "--lib",
        "--no-deps",
        "--document-private-items",
    ];
    cargo(context, "doc", &words, &[("RUSTDOCFLAGS", "-D warnings")])
}

/// All tests of the workspace, with the built pyro, the clients and an environment at hand.
fn tests(context: &Context, tally: &mut Tally) -> Result<()> {
    let clients = clients::prepare(context)?;
    environments::prepare(context)?;
    say::step("build tests", || {
        context.run("build tests", &mut test_command(context, &clients, &["--no-run"]))
    })?;
    let status = say::step("tests", || {
        context.watch(
            "tests",
            &mut test_command(context, &clients, &["--no-fail-fast"]),
            |line| {
                if let Some(news) = tally.read(line) {
                    say::note(&news);
                }
            },
        )
    })?;
    if !status.success() {
        context.show_log("tests")?;
        bail!("`cargo test` failed: {status}");
    }
    Ok(())
}

fn test_command(context: &Context, clients: &Clients, words: &[&str]) -> Command {
    let mut cargo = context.layout.cargo();
    // Nothing of the caller's own pyro may decide what the tests see.
    let own = std::env::vars_os().map(|(name, _)| name);
    for name in own.filter(|name| name.to_string_lossy().starts_with("PYRO_")) {
        cargo.env_remove(name);
    }
    // VM tests keep a core busy and hold a guest's memory each.
    let threads = std::thread::available_parallelism().map_or(2, |cores| cores.get().clamp(2, 4));
    cargo
        .args(["test", "--locked", "--workspace"])
        .args(words)
        .env("RUST_TEST_THREADS", threads.to_string())
        .env("INSTA_UPDATE", "no")
        .env("PYRO_TEST_BIN", context.layout.pyro())
        .env("PYRO_TEST_PYTHON", &clients.python)
        .env("PYRO_TEST_PYTHON_V1", &clients.python_v1)
        .env("PYRO_TEST_INSPECTOR_DIR", &clients.inspector)
        .env("PYRO_TEST_NODE_DIR", &clients.node)
        .env("PYRO_TEST_CACHE", environments::of_tests(context))
        .env("PYRO_TEST_TIER", TIER);
    cargo
}

fn cargo(context: &Context, name: &str, words: &[&str], variables: &[(&str, &str)]) -> Result<()> {
    say::step(name, || {
        let mut cargo = context.layout.cargo();
        cargo.args(words).envs(variables.iter().copied());
        context.run(name, &mut cargo)
    })
}

fn answers(command: &mut Command) -> bool {
    output(command).is_ok()
}
