//! The lab: the hardware tier, tested where there is no hardware for it.
//!
//! QEMU emulates a machine with AMD's virtualisation, in which a stock kernel has a KVM that works. The same test
//! programs that run on this host run there, on each VMM of the hardware tier: a machine for each, beside each other.

mod disk;
mod initramfs;
mod job;
mod machine;
mod programs;
mod report;
mod results;
mod tier;
mod tools;
mod work;

use anyhow::{Result, ensure};
use clap::Args;

use crate::lab::report::Reports;
use crate::lab::results::Results;
use crate::lab::tier::{TIERS, Tier};
use crate::lab::work::Lab;
use crate::test::Tally;
use crate::{Context, dist, packages, say};

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
    let outcome = run_tests(context, &tiers, &options.filters, job::LEFT_OUT, &mut tally);
    say::result(&tally.to_string());
    outcome.map(|()| true)
}

/// All tests that do not take long, on all tiers, as a check of `cargo xtask test`.
pub(crate) fn check(context: &Context, tally: &mut Tally) -> Result<()> {
    let left_out = [job::LEFT_OUT, job::LONG].concat();
    run_tests(context, TIERS, &[], &left_out, tally)
}

fn run_tests(
    context: &Context,
    tiers: &[Tier],
    filters: &[String],
    left_out: &[(&str, &str)],
    tally: &mut Tally,
) -> Result<()> {
    let programs = programs::build(context)?;
    let names: Vec<&str> = programs.iter().map(|(name, _)| name.as_str()).collect();
    for (name, reason) in left_out {
        say::note(&format!("left out: {name} ({reason})"));
    }
    let jobs: Vec<_> = tiers
        .iter()
        .map(|tier| (*tier, job::of_tests(*tier, &names, filters, left_out)))
        .collect();
    let mut results: Vec<Results> = tiers.iter().map(|tier| Results::of_tests(*tier)).collect();
    let mut tallies: Vec<Tally> = tiers.iter().map(|_| Tally::default()).collect();
    let finished = Lab::prepare(context)?.run(&jobs, &programs, |job, line| {
        for news in [results[job].read(line), tallies[job].read(line)]
            .into_iter()
            .flatten()
        {
            say::note(&news);
        }
    });
    for one in &tallies {
        tally.add(one);
    }
    let outcome = finished.and_then(|()| results.iter().try_for_each(Results::verdict));
    if outcome.is_err() {
        for (tier, _) in tiers
            .iter()
            .zip(&results)
            .filter(|(_, results)| results.verdict().is_err())
        {
            context.show_log(&work::log_name(*tier))?;
        }
    }
    outcome
}

/// Runs a bench on each tier, one after the other, with these words of its command line: the names of the tiers, and
/// what it reported.
pub(crate) fn bench(context: &Context, words: &str) -> Result<Vec<(String, String)>> {
    packages::require(context, &[packages::RUNTIME, packages::LAB].concat())?;
    let own = [("xtask".to_owned(), std::env::current_exe()?)];
    let lab = Lab::prepare(context)?;
    let mut reports = Reports::default();
    for tier in TIERS {
        let mut results = Results::default();
        lab.run(&[(*tier, job::of_bench(*tier, words))], &own, |_, line| {
            if !reports.read(line) && results.read(line).is_none() && results.ended().is_none() {
                say::note(line);
            }
        })?;
        ensure!(
            results.ended() == Some(0),
            "the bench failed in the lab, on {tier}"
        );
    }
    Ok(reports.finish())
}

/// Whether the command succeeded.
fn run_command(context: &Context, tier: Tier, command: &str) -> Result<bool> {
    let mut results = Results::default();
    let jobs = [(tier, job::of_command(tier, command))];
    Lab::prepare(context)?.run(&jobs, &[], |_, line| {
        if results.read(line).is_none() && results.ended().is_none() {
            say::result(line);
        }
    })?;
    Ok(results.ended() == Some(0))
}
