//! `pyro workspace create`.

use std::time::Duration;

use clap::Args;
use pyro::argument::{self, DEFAULT_WORKSPACE_TTL};
use pyro::{CreateRequest, Pyro, Result};

use super::{describe, guest_path, labels};
use crate::complete;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::option::{SeedOptions, SizeOptions, TierOptions, whole_number};
use crate::ui::{Form, Ui};
use crate::wait;

/// Make a workspace and start it
///
/// /workspace begins empty, or with a copy of a directory or archive. It lives until it is deleted. Its VM is stopped when nobody used it for its time to live; its disk is kept, and the
/// next command starts it again.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  pyro workspace create debian:12 --name alpha --label branch=main\n  \
                        ws=$(pyro workspace create --seed-path . --id-only)"
)]
pub(crate) struct Create {
    /// Environment to start from [default: $PYRO_ENVIRONMENT, else debian:12]
    #[arg(value_name = "ENV", add = complete::environments())]
    environment: Option<String>,

    /// Name, by which it can be called instead of its id
    #[arg(long)]
    name: Option<String>,

    /// Note on it; may be given several times
    #[arg(long = "label", value_name = "KEY=VALUE")]
    labels: Vec<String>,

    /// Stop its VM after this many idle seconds, 60–604800; a running command is not idle
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = DEFAULT_WORKSPACE_TTL.as_secs(),
        value_parser = whole_number,
        allow_negative_numbers = true,
    )]
    ttl_seconds: u64,

    /// Print its id and nothing else
    #[arg(long)]
    id_only: bool,

    #[command(flatten)]
    seed: SeedOptions,

    #[command(flatten)]
    size: SizeOptions,

    #[command(flatten)]
    tier: TierOptions,
}

/// Makes it and shows it.
pub(crate) fn execute(create: Create, pyro: &Pyro, ui: Ui) -> Result<Exit> {
    let mut request = CreateRequest::default();
    request.environment = create.environment;
    request.name = create.name.map(|name| name.parse()).transpose()?;
    request.labels = labels(&create.labels)?;
    let ttl = argument::in_range("ttl_seconds", create.ttl_seconds, &argument::TTL_SECONDS)
        .map_err(Failure::argument)?;
    request.ttl = Duration::from_secs(ttl);
    request.resources = create
        .size
        .resources(pyro.host_memory_mib())
        .map_err(Failure::argument)?;
    request.isolation = create.tier.isolation;
    request.allow_host_compat = create.tier.allow_host_compat;
    request.seed_path = create.seed.source()?;
    request.include_ignored = create.seed.include_ignored;
    let info = wait::block_on(wait::unless_interrupted(
        "creating the workspace",
        "nothing was left behind; run it again",
        async {
            let mut progress = ui.progress();
            progress.step("creating the workspace");
            let workspace = pyro
                .create_workspace(&request, &mut |event| progress.environment(event))
                .await?;
            workspace.status()
        },
    ))?;
    ui.warnings(&info.warnings);
    ui.warnings(&guest_path::skipped(&info.workspace_seed.skipped));
    if create.id_only && ui.form() == Form::Human {
        ui.stdout(&format!("{}\n", info.workspace_id))?;
    } else {
        ui.result(&info, describe)?;
    }
    Ok(Exit::Done)
}
