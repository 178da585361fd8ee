//! The lab: the hardware tier, tested where there is no hardware for it.
//!
//! QEMU emulates a machine with AMD's virtualisation, in which a stock kernel has a KVM that works. The same test
//! programs that run on this host run there, on each VMM of the hardware tier.

mod disk;
mod initramfs;
mod job;
mod machine;
mod programs;
mod report;
mod results;
mod tier;
mod tools;

use std::path::PathBuf;

use anyhow::{Result, bail, ensure};
use clap::Args;
use fs_err as fs;

use crate::lab::disk::Contents;
use crate::lab::machine::Machine;
use crate::lab::report::Reports;
use crate::lab::results::Results;
use crate::lab::tier::{TIERS, Tier};
use crate::runtime::kernel;
use crate::test::Tally;
use crate::{Context, dist, environments, firecracker, packages, say};

/// What to run in the lab.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Try only this tier; a command gets it too.
    #[arg(long, value_name = "TIER")]
    tier: Option<Tier>,
    /// Run this shell command instead of the tests, and show what it prints.
    #[arg(long, value_name = "COMMAND", conflicts_with = "filters")]
    command: Option<String>,
    /// Take what the dist tree holds, without building it.
    #[arg(long)]
    no_build: bool,
    /// Only tests whose names contain one of these.
    filters: Vec<String>,
}

/// Whether everything passed.
pub(crate) fn run(context: &Context, options: &Options) -> Result<bool> {
    packages::require(
        context,
        &[packages::RUNTIME, packages::PRODUCT, packages::LAB].concat(),
    )?;
    if !options.no_build {
        dist::build(context)?;
    }
    if let Some(command) = &options.command {
        let tier = options.tier.unwrap_or(TIERS[0]);
        return run_command(context, tier, command);
    }
    let mut tally = Tally::default();
    let tiers = options.tier.map_or_else(|| TIERS.to_vec(), |tier| vec![tier]);
    let outcome = run_tests(context, &tiers, &options.filters, &mut tally);
    say::result(&tally.to_string());
    outcome.map(|()| true)
}

/// All tests on all tiers, as a check of `cargo xtask test`.
pub(crate) fn check(context: &Context, tally: &mut Tally) -> Result<()> {
    run_tests(context, TIERS, &[], tally)
}

fn run_tests(context: &Context, tiers: &[Tier], filters: &[String], tally: &mut Tally) -> Result<()> {
    let programs = programs::build(context)?;
    let names: Vec<&str> = programs.iter().map(|(name, _)| name.as_str()).collect();
    for (name, reason) in job::LEFT_OUT {
        say::note(&format!("left out: {name} ({reason})"));
    }
    let job = job::of_tests(tiers, &names, filters);
    let mut results = Results::new(tiers);
    work(context, &job, &programs, |line| {
        for news in [results.read(line), tally.read(line)].into_iter().flatten() {
            say::note(&news);
        }
    })?
    .judge(context, results.ended())?;
    let verdict = results.verdict();
    if verdict.is_err() {
        context.show_log("lab")?;
    }
    verdict
}

/// Runs a bench on each tier, with these words of its command line: the names of the tiers, and what it reported.
pub(crate) fn bench(context: &Context, words: &str) -> Result<Vec<(String, String)>> {
    packages::require(context, &[packages::RUNTIME, packages::LAB].concat())?;
    let own = [("xtask".to_owned(), std::env::current_exe()?)];
    let mut results = Results::new(&[]);
    let mut reports = Reports::default();
    work(context, &job::of_bench(TIERS, words), &own, |line| {
        if !reports.read(line) && results.read(line).is_none() && results.ended().is_none() {
            say::note(line);
        }
    })?
    .judge(context, results.ended())?;
    ensure!(results.ended() == Some(0), "a bench failed in the lab");
    Ok(reports.finish())
}

/// Whether the command succeeded.
fn run_command(context: &Context, tier: Tier, command: &str) -> Result<bool> {
    let mut results = Results::new(&[]);
    work(context, &job::of_command(tier, command), &[], |line| {
        if results.read(line).is_none() && results.ended().is_none() {
            say::result(line);
        }
    })?
    .judge(context, results.ended())?;
    Ok(results.ended() == Some(0))
}

/// The machine after its end.
struct Ended(Machine);

impl Ended {
    /// Fails unless the job ended, in whatever way, and gives the work disk's room back.
    fn judge(self, context: &Context, status: Option<i32>) -> Result<()> {
        let Self(machine) = self;
        fs::remove_file(&machine.work)?;
        if status.is_none() {
            context.show_log("lab")?;
            machine.show_console()?;
            bail!("the lab did not finish");
        }
        Ok(())
    }
}

/// Runs a job in the lab and hands its lines to `on_line`.
fn work(
    context: &Context,
    job: &str,
    tests: &[(String, PathBuf)],
    on_line: impl FnMut(&str),
) -> Result<Ended> {
    environments::prepare(context)?;
    let dir = context.layout.own().join("lab");
    fs::create_dir_all(&dir)?;
    let lock = fs::File::create(dir.join("lock"))?;
    lock.lock()?;
    let firecracker = firecracker::prepare(context)?;
    let tools = tools::prepare(context)?;
    let machine = say::step("lab disks", || {
        let kernel = kernel::prepare(context, &initramfs::MODULES)?;
        let initramfs = dir.join("initramfs.cpio");
        fs::write(&initramfs, initramfs::build(&kernel)?)?;
        let contents = Contents {
            job,
            tests,
            firecracker: &firecracker,
        };
        Ok(Machine {
            kernel,
            initramfs,
            tools,
            work: disk::build(context, &dir, &contents)?,
            console: dir.join("console.log"),
        })
    })?;
    say::step("lab", || machine.run(context, on_line))?;
    Ok(Ended(machine))
}
