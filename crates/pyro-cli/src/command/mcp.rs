//! `pyro mcp`: the MCP server.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use pyro::{IsolationFloor, Pyro, Result};
use pyro_mcp::{DEFAULT_LISTEN, HttpOptions, ServerOptions, Structured, Token, serve_http, serve_stdio};

use crate::complete;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::project::ProjectOptions;
use crate::tool_choice::ToolChoice;
use crate::ui::Ui;
use crate::{host_path, option, wait};

/// Serve the tools of pyro over MCP
#[derive(Debug, Args)]
#[command(
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    after_help = "Example:\n  pyro mcp serve --profile workspace-core"
)]
pub(crate) struct Mcp {
    #[command(subcommand)]
    command: McpCommand,
}

#[derive(Debug, Subcommand)]
enum McpCommand {
    Serve(Serve),
}

/// Speak MCP on standard input and output until the input ends, or over HTTP
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  pyro mcp serve --profile workspace-core --allow-host-path ~/project")]
struct Serve {
    #[command(flatten)]
    choice: ToolChoice,

    /// Let clients bring in files of the host from DIR, and bring out files to it; may be repeated. The roots that a
    /// client announces are allowed besides
    #[arg(long, value_name = "DIR")]
    allow_host_path: Vec<PathBuf>,

    #[command(flatten)]
    project: ProjectOptions,

    /// Isolation to insist on for every VM; `auto` takes the strongest that works here [default: $PYRO_ISOLATION, else auto]
    #[arg(long, value_name = "TIER", value_parser = option::isolation())]
    isolation: Option<IsolationFloor>,

    /// Let calls ask for this host itself where no VM can be had: NOTHING ISOLATES what they run there
    #[arg(long)]
    allow_host_compat: bool,

    /// Let clients export what tools of the host run by themselves, as .git and .vscode, into directories that are there
    #[arg(long)]
    allow_autorun_paths: bool,

    /// How the client is reached: on standard input and output, or over Streamable HTTP at /mcp
    #[arg(long, default_value = "stdio", value_parser = ["stdio", "http"])]
    transport: String,

    #[command(flatten)]
    http: Http,

    /// Environment where a call names none [default: $PYRO_ENVIRONMENT, else debian:12]
    #[arg(long, value_name = "ENV", add = complete::environments())]
    environment: Option<String>,

    /// Results with a structured form: those of tools whose payload is not text, or all
    #[arg(long, value_name = "RESULTS", default_value = "auto", value_parser = ["auto", "all"])]
    structured: String,
}

/// For `--transport http` alone.
#[derive(Debug, Args)]
struct Http {
    /// Address and port of HTTP [default: 127.0.0.1:8787]. Any but a loopback address needs `--auth-token-file`
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,

    /// File with the token that HTTP clients send as `Authorization: Bearer TOKEN` [default: $PYRO_HOME/mcp-token, made if
    /// it is not there]
    #[arg(long, value_name = "FILE")]
    auth_token_file: Option<PathBuf>,

    /// Serve HTTP requests for this host name too, besides those of loopback; may be repeated
    #[arg(long, value_name = "NAME")]
    allowed_host: Vec<String>,

    /// Serve web pages of this origin too, besides those of loopback, as https://example.com:443; may be repeated
    #[arg(long, value_name = "ORIGIN")]
    allowed_origin: Vec<String>,
}

/// Serves until the client leaves, or over HTTP until it is ended.
pub(crate) fn execute(mcp: Mcp, pyro: &Pyro, ui: Ui) -> Result<Exit> {
    let McpCommand::Serve(serve) = mcp.command;
    let options = serve.options()?;
    let Serve { transport, http, .. } = serve;
    let pyro = pyro.clone();
    if transport == "http" {
        let token_file = http.token_file(&pyro)?;
        let http = http.options(&token_file)?;
        let listening = |url: &str| {
            ui.summary(&format!(
                "listening on {url}, for clients with the token in {}",
                token_file.display()
            ));
        };
        wait::block_on(async { Ok(serve_http(pyro, options, http, listening).await?) })?;
    } else {
        http.refuse()?;
        wait::block_on(async { Ok(serve_stdio(pyro, options).await?) })?;
    }
    Ok(Exit::Done)
}

impl Mcp {
    /// Why this would not serve on standard input and output; nothing if it would.
    pub(crate) fn refusal_on_stdio(&self) -> Option<String> {
        let McpCommand::Serve(serve) = &self.command;
        if serve.transport == "http" {
            return Some("`--transport http` does not serve on standard input and output".to_owned());
        }
        let checked = serve.http.refuse().and_then(|()| serve.options());
        checked.err().map(|error| error.to_string())
    }
}

impl Serve {
    /// The options of the server, on any transport.
    fn options(&self) -> Result<ServerOptions> {
        let mut options = self.choice.options()?;
        options.structured = self.structured.parse::<Structured>().map_err(Failure::argument)?;
        options.environment.clone_from(&self.environment);
        options.isolation = self.isolation;
        options.allow_host_compat = self.allow_host_compat;
        // A root that is not there would allow nothing, without a word.
        let directories = self.allow_host_path.iter();
        let directories = directories.map(|path| Ok(host_path::directory("--allow-host-path", path)?));
        options.allow_host_paths = directories.collect::<Result<_>>()?;
        options.project = self.project.project()?;
        options.allow_autorun_paths = self.allow_autorun_paths;
        Ok(options)
    }
}

impl Http {
    /// Where the token is.
    ///
    /// # Errors
    /// An address that others reach too needs one that the user chose.
    fn token_file(&self, pyro: &Pyro) -> Result<PathBuf> {
        match &self.auth_token_file {
            Some(path) => Ok(host_path::expand(path)),
            None if self.address()?.ip().is_loopback() => pyro.token_file(),
            None => Err(Failure::invalid(
                format!(
                    "`--listen` cannot be `{}` without `--auth-token-file`",
                    self.listen()
                ),
                "other hosts reach it: name a file with a token, or listen on 127.0.0.1",
            )
            .into()),
        }
    }

    fn options(self, token_file: &Path) -> Result<HttpOptions> {
        let mut options = HttpOptions::new(self.address()?, Token::read(token_file)?);
        options.allowed_hosts = self.allowed_host;
        options.allowed_origins = self.allowed_origin;
        Ok(options)
    }

    fn listen(&self) -> &str {
        self.listen.as_deref().unwrap_or(DEFAULT_LISTEN)
    }

    fn address(&self) -> Result<SocketAddr> {
        let given = self.listen();
        let number = given
            .strip_prefix("localhost:")
            .map(|port| format!("127.0.0.1:{port}"));
        number.as_deref().unwrap_or(given).parse().map_err(|_| {
            let message = format!("`--listen` cannot be `{given}`");
            Failure::invalid(
                message,
                "write an address and a port, as 127.0.0.1:8787 or [::1]:8787",
            )
            .into()
        })
    }

    /// Refuses what has no meaning on standard input and output.
    fn refuse(&self) -> Result<()> {
        let given = [
            ("--listen", self.listen.is_some()),
            ("--auth-token-file", self.auth_token_file.is_some()),
            ("--allowed-host", !self.allowed_host.is_empty()),
            ("--allowed-origin", !self.allowed_origin.is_empty()),
        ];
        match given.iter().find(|(_, is_given)| *is_given) {
            Some((option, _)) => Err(Failure::invalid(
                format!("`{option}` has no meaning on standard input and output"),
                "add `--transport http`",
            )
            .into()),
            None => Ok(()),
        }
    }
}
