//! Measures the built pyro and says where.
//!
//! Figures of two runs on different hosts, or of one host under different load, say nothing about each other: compare
//! only what one run measured side by side.

mod host;
mod idle;
mod measure;
mod series;

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use fs_err as fs;
use serde::Serialize;

use crate::bench::host::Host;
use crate::bench::measure::Bench;
use crate::bench::series::Measurement;
use crate::{Context, dist, say};

/// What to measure, and how often.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Also write the report to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// How often to run a command in a VM that is restored.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    runs: u32,
    /// How often, in between, to run it in a VM that boots cold.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(0..=1000))]
    cold_runs: u32,
    /// How often to run it in so many VMs at once; 0 leaves it out.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(0..=64))]
    at_once: u32,
    /// How often to measure the throughput of output; 0 leaves it out.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(0..=100))]
    throughput_runs: u32,
    /// The environment of the guests.
    #[arg(long, default_value = "debian:12")]
    environment: String,
    /// The isolation of the guests.
    #[arg(long, default_value = "emulated")]
    isolation: String,
    /// Measure what the dist tree holds, without building it.
    #[arg(long)]
    no_build: bool,
}

#[derive(Debug, Serialize)]
struct Report {
    format: u32,
    host: Host,
    measurements: Vec<Measurement>,
}

/// Measures and reports.
pub(crate) fn run(context: &Context, options: &Options) -> Result<()> {
    if !options.no_build {
        dist::build(context)?;
    }
    let mut bench = Bench::new(context, options);
    bench.sizes()?;
    bench.listings()?;
    bench.environment()?;
    bench.runs()?;
    bench.at_once()?;
    bench.idle()?;
    bench.throughput()?;
    let report = Report {
        format: 1,
        host: Host::look(context, bench.tier())?,
        measurements: bench.finish(),
    };
    say::result(&report.host.to_string());
    say::result(&series::table(&report.measurements));
    if let Some(path) = &options.json {
        let mut json = serde_json::to_vec_pretty(&report)?;
        json.push(b'\n');
        fs::write(path, json)?;
    }
    Ok(())
}
