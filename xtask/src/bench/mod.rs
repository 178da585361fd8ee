//! Measures the built pyro and says where.
//!
//! Figures of two runs on different hosts, or of one host under different load, say nothing about each other: compare
//! only what one run measured side by side.

mod host;
mod idle;
mod library;
mod measure;
mod protocol;
mod report;
mod series;
mod server;
mod tree;
mod workspace;

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use fs_err as fs;

use crate::bench::host::Host;
use crate::bench::measure::Bench;
use crate::bench::report::{Report, TierReport};
use crate::{Context, dist, lab, say};

/// What to measure, and how often.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Also write the report to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// How often to run a command in a VM that is restored [default: 50; in the lab 10].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1000))]
    runs: Option<u32>,
    /// How often, in between, to run it in a VM that boots cold [default: 20; in the lab 4].
    #[arg(long, value_parser = clap::value_parser!(u32).range(0..=1000))]
    cold_runs: Option<u32>,
    /// How often to run it in so many VMs at once; 0 leaves it out [default: 8; in the lab 4].
    #[arg(long, value_parser = clap::value_parser!(u32).range(0..=64))]
    at_once: Option<u32>,
    /// How often to measure the throughput of output; 0 leaves it out [default: 1; in the lab 0].
    #[arg(long, value_parser = clap::value_parser!(u32).range(0..=100))]
    throughput_runs: Option<u32>,
    /// How often to make, reset, stop and start a workspace [default: 10; in the lab 4].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1000))]
    workspace_runs: Option<u32>,
    /// How often to move trees of files, and to compare large ones; 0 leaves it out [default: 3; in the lab 0].
    #[arg(long, value_parser = clap::value_parser!(u32).range(0..=100))]
    tree_runs: Option<u32>,
    /// The environment of the guests.
    #[arg(long, default_value = "debian:12")]
    environment: String,
    /// The isolation of the guests.
    #[arg(long, default_value = "emulated")]
    isolation: String,
    /// Measure each tier of the lab there, instead of one on this host.
    #[arg(long, conflicts_with = "isolation")]
    lab: bool,
    /// Measure what the dist tree holds, without building it.
    #[arg(long)]
    no_build: bool,
    /// Measure that dist tree, which came without its sources.
    #[arg(long, value_name = "DIR", hide = true, conflicts_with = "lab")]
    pub(crate) dist: Option<PathBuf>,
}

/// How often what is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Counts {
    runs: u32,
    cold_runs: u32,
    at_once: u32,
    throughput_runs: u32,
    workspace_runs: u32,
    tree_runs: u32,
}

const ON_HOST: Counts = Counts {
    runs: 50,
    cold_runs: 20,
    at_once: 8,
    throughput_runs: 1,
    workspace_runs: 10,
    tree_runs: 3,
};
/// Everything takes several times as long there.
const IN_LAB: Counts = Counts {
    runs: 10,
    cold_runs: 4,
    at_once: 4,
    throughput_runs: 0,
    workspace_runs: 4,
    tree_runs: 0,
};

impl Options {
    /// What was asked for, and what holds where nothing was.
    fn counts(&self) -> Counts {
        let usual = if self.lab { IN_LAB } else { ON_HOST };
        Counts {
            runs: self.runs.unwrap_or(usual.runs),
            cold_runs: self.cold_runs.unwrap_or(usual.cold_runs),
            at_once: self.at_once.unwrap_or(usual.at_once),
            throughput_runs: self.throughput_runs.unwrap_or(usual.throughput_runs),
            workspace_runs: self.workspace_runs.unwrap_or(usual.workspace_runs),
            tree_runs: self.tree_runs.unwrap_or(usual.tree_runs),
        }
    }

    /// The words by which a bench in the lab measures the same.
    fn words(&self) -> String {
        let counts = self.counts();
        let numbers = [
            ("runs", counts.runs),
            ("cold-runs", counts.cold_runs),
            ("at-once", counts.at_once),
            ("throughput-runs", counts.throughput_runs),
            ("workspace-runs", counts.workspace_runs),
            ("tree-runs", counts.tree_runs),
        ];
        let words = numbers.map(|(name, count)| format!("--{name} {count} "));
        format!("{}--environment {}", words.concat(), self.environment)
    }
}

/// Measures and reports.
pub(crate) fn run(context: &Context, options: &Options) -> Result<()> {
    if !options.no_build && options.dist.is_none() {
        dist::build(context)?;
    }
    let mut report = Report {
        format: 1,
        host: Host::look(context, None)?,
        measurements: Vec::new(),
        lab: Vec::new(),
    };
    if options.lab {
        report.lab = lab::bench(context, &options.words())?
            .into_iter()
            .map(|(tier, json)| TierReport::read(tier, &json))
            .collect::<Result<_>>()?;
    } else {
        let mut bench = Bench::new(context, options);
        measure(&mut bench)?;
        report.host.tier = bench.tier();
        report.measurements = bench.finish();
    }
    say::result(&report.to_string());
    if let Some(path) = &options.json {
        let mut json = serde_json::to_vec_pretty(&report)?;
        json.push(b'\n');
        fs::write(path, json)?;
    }
    Ok(())
}

fn measure(bench: &mut Bench<'_>) -> Result<()> {
    bench.sizes()?;
    bench.listings()?;
    bench.environment()?;
    bench.protocol()?;
    bench.runs()?;
    bench.template()?;
    bench.at_once()?;
    bench.idle()?;
    bench.workspaces()?;
    bench.library()?;
    bench.trees()?;
    bench.throughput()
}
