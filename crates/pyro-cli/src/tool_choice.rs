//! Which tools are on offer: options that several commands have.

use clap::Args;
use pyro::Result;
use pyro_mcp::{Profile, Selection, ServerOptions};

use crate::failure::Failure;

/// Which tools are on offer.
#[derive(Debug, Args)]
pub(crate) struct ToolChoice {
    /// Tools on offer
    #[arg(
        long,
        default_value = "workspace-full",
        value_parser = ["vm-run", "workspace-core", "workspace-full"],
    )]
    profile: String,

    /// Only these tools of the profile, separated by commas
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    tools: Vec<String>,

    /// Not these tools of the profile, separated by commas
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    exclude_tools: Vec<String>,

    /// Only tools that change nothing
    #[arg(long)]
    read_only: bool,
}

impl ToolChoice {
    /// Options with these tools, and for the rest the defaults.
    ///
    /// # Errors
    /// If a tool is named that the profile does not have.
    pub(crate) fn options(&self) -> Result<ServerOptions> {
        let mut options = ServerOptions::new(self.profile.parse::<Profile>().map_err(Failure::argument)?);
        let (tools, exclude_tools) = (self.tools.clone(), self.exclude_tools.clone());
        options.selection = Selection::new(options.profile, tools, exclude_tools, self.read_only)?;
        Ok(options)
    }
}
