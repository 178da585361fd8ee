//! `pyro doctor`: what works on this host, what does not, and the fix.

use clap::Args;
use pyro::object::{DoctorReport, Status};
use pyro::{DoctorRequest, Pyro, Result};

use crate::complete;
use crate::exit::Exit;
use crate::format;
use crate::table::one_line;
use crate::ui::Ui;
use crate::wait;

/// Check what pyro needs on this host, with a fix for each problem
///
/// The exit status is 1 if any check failed. Warnings do not change it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  pyro doctor\n  pyro doctor --environment debian:12 --json")]
pub(crate) struct Doctor {
    /// Platform to check
    #[arg(long, default_value = "linux-x86_64", value_parser = ["linux-x86_64"])]
    platform: String,

    /// Environment to verify in full
    #[arg(long, value_name = "ENV", add = complete::environments())]
    environment: Option<String>,
}

/// Shows the report.
pub(crate) fn execute(doctor: Doctor, pyro: &Pyro, ui: Ui) -> Result<Exit> {
    let mut request = DoctorRequest::default();
    request.platform = Some(doctor.platform);
    request.environment = doctor.environment;
    let mut progress = ui.progress();
    progress.step("checking");
    let report = wait::block_on(wait::unless_interrupted(
        "the check",
        "run it again; nothing was changed",
        async { Ok(pyro.doctor(&request).await) },
    ))?;
    drop(progress);
    ui.result(&report, |report| text(report, ui))?;
    Ok(Exit::of_report(&report))
}

fn text(report: &DoctorReport, ui: Ui) -> String {
    let mut text = String::new();
    let width = report
        .checks
        .iter()
        .map(|check| check.id.len())
        .max()
        .unwrap_or(0);
    for check in &report.checks {
        let mark = match check.status {
            Status::Pass => ui.mark("ok  ", "32"),
            Status::Warn => ui.mark("warn", "33;1"),
            Status::Fail => ui.mark("FAIL", "31;1"),
        };
        let summary = one_line(&check.summary);
        text.push_str(&format!("{mark}  {:width$}  {summary}\n", check.id));
        if let Some(fix) = check.fix.as_ref().filter(|_| check.status != Status::Pass) {
            text.push_str(&format!("      fix: {}\n", one_line(fix)));
        }
    }
    text.push_str(&format!("tiers: {}\n{}\n", tiers(report), verdict(report)));
    text
}

fn tiers(report: &DoctorReport) -> String {
    let tiers: Vec<_> = report
        .tiers
        .iter()
        .map(|tier| {
            let usable = if tier.usable { "usable" } else { "not usable" };
            let vmm = format::name(tier.vmm);
            format!("{}/{vmm} {usable} ({})", tier.isolation, one_line(&tier.reason))
        })
        .collect();
    if tiers.is_empty() {
        "none".to_owned()
    } else {
        tiers.join(", ")
    }
}

fn verdict(report: &DoctorReport) -> String {
    let number = |status| {
        report
            .checks
            .iter()
            .filter(|check| check.status == status)
            .count()
    };
    let warnings = format::count(number(Status::Warn), "warning");
    match report.status {
        Status::Pass => "pyro works here".to_owned(),
        Status::Warn => format!("pyro works here, with {warnings}"),
        Status::Fail => {
            let failures = format::count(number(Status::Fail), "check");
            format!("pyro does not fully work here: {failures} failed, {warnings}")
        }
    }
}
