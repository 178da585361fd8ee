//! `pyro host doctor`: whether hosts start this pyro.

use clap::Args;
use pyro::Result;

use super::report::{self, HostReport, HostStatus};
use super::target::{self, EntryOptions};
use crate::exit::Exit;
use crate::host::place::{self, Scope};
use crate::host::table::{self, Host};
use crate::ui::Ui;

/// Check the entries for pyro in the configurations of hosts
///
/// The exit status is 1 if an entry does not work, or the host that was named has none.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  pyro host doctor\n  pyro host doctor cursor --scope project --json")]
pub(crate) struct Doctor {
    /// The host [default: all]
    #[arg(value_parser = table::NAMES)]
    host: Option<String>,

    #[command(flatten)]
    entry: EntryOptions,
}

/// Shows the report.
pub(crate) fn execute(doctor: &Doctor, ui: Ui) -> Result<Exit> {
    let scope = doctor.entry.scope();
    let hosts = match &doctor.host {
        Some(name) => vec![target::host(name)?],
        None => Host::ALL.to_vec(),
    };
    let mut report = HostReport {
        hosts: Vec::new(),
        changed: false,
    };
    for host in hosts {
        if doctor.host.is_none() && scope == Scope::Project && !host.has_projects() {
            continue;
        }
        let name = doctor.entry.name_for(host)?;
        let config = place::config(host, scope, name)?;
        report.hosts.push(report::state(&config, name));
    }
    let is_well = report.hosts.iter().all(|state| match state.status {
        HostStatus::Missing => doctor.host.is_none(),
        HostStatus::Connected | HostStatus::Stale | HostStatus::Broken => state.problems.is_empty(),
    });
    ui.result(&report, report::text)?;
    Ok(Exit::of_answer(is_well))
}
