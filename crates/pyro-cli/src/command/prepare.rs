//! `pyro prepare`.

use clap::Args;
use pyro::object::{PrepareReport, Status};
use pyro::{PrepareRequest, Pyro, Result};
use serde_json::Value;

use crate::complete;
use crate::exit::Exit;
use crate::format;
use crate::option::TierOptions;
use crate::table::one_line;
use crate::ui::Ui;
use crate::wait;
use crate::when;

/// Make an environment's template ahead of its first use, and prove it
///
/// Fetches the environment if it is not there, boots and saves a VM of the default size, and restores another from it.
/// What was proved before is not proved again. The exit status is 1 if a VM did not start.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  pyro prepare\n  pyro prepare debian:12-build --force")]
pub(crate) struct Prepare {
    /// Environment to prepare [default: $PYRO_ENVIRONMENT, else debian:12]
    #[arg(value_name = "ENV", add = complete::environments())]
    environment: Option<String>,

    /// Prove it again
    #[arg(long)]
    force: bool,

    /// Prove that the guest reaches the network; not possible in this version
    #[arg(long)]
    network: bool,

    #[command(flatten)]
    tier: TierOptions,
}

/// Prepares it, with progress, and shows the report.
pub(crate) fn execute(prepare: Prepare, pyro: &Pyro, ui: Ui) -> Result<Exit> {
    let mut request = PrepareRequest::default();
    request.environment = prepare.environment;
    request.isolation = prepare.tier.isolation;
    request.force = prepare.force;
    request.network = prepare.network;
    let mut progress = ui.progress();
    let mut on_progress = |event| progress.environment(event);
    let report = wait::block_on(wait::unless_interrupted(
        "the preparation",
        "run it again; what is whole is kept",
        pyro.prepare(&request, &mut on_progress),
    ))?;
    progress.clear();
    ui.warnings(&report.warnings);
    ui.result(&report, text)?;
    Ok(match report.status {
        Status::Fail => Exit::AnswerIsNo,
        Status::Pass | Status::Warn => Exit::Done,
    })
}

fn text(report: &PrepareReport) -> String {
    let name = one_line(&report.environment);
    if report.reused {
        let at = when::relative(report.prepared_at.as_deref().unwrap_or_default());
        return format!("{name} is prepared ({}, proved {at})\n", report.isolation);
    }
    let mut text = String::new();
    for step in &report.steps {
        let mark = if step.error.is_some() { "FAIL" } else { "ok  " };
        let took = format::seconds(step.duration_ms);
        text.push_str(&format!("{mark}  {:11}  {took}\n", step.name));
        let told = |field: &str| step.error.as_ref()?.get(field).and_then(Value::as_str);
        if let Some(message) = told("message") {
            text.push_str(&format!("      {}\n", one_line(message)));
        }
        if let Some(hint) = told("hint") {
            text.push_str(&format!("      fix: {}\n", one_line(hint)));
        }
    }
    let verdict = match report.status {
        Status::Fail => "is not prepared",
        Status::Pass | Status::Warn => "is prepared",
    };
    text.push_str(&format!("{name} {verdict} ({})\n", report.isolation));
    text
}
