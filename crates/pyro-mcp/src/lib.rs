//! The MCP server of pyro: profiles, tools and how results are rendered.
//!
//! [`serve_stdio`] is what `pyro mcp serve` does, [`serve_http`] what it does with `--transport http`. A program with a transport of its own makes a [`Server`] and hands it
//! to [`serve()`], or to rmcp directly. Both eras of the protocol, the handshake revisions from 2024-11-05 to 2025-11-25
//! and the stateless 2026-07-28, are answered by the same server.
//!
//! A program that talks to a model by itself, without MCP, has the same tools as functions: [`ToolBox`].
//!
//! Nothing but protocol messages is ever written to the transport; diagnostics are `tracing` events.

mod arguments;
mod ending;
mod failure;
mod follow;
mod function;
mod handler;
mod host_paths;
mod http;
mod isolated;
mod options;
mod profile;
mod progress;
mod project;
mod render;
mod resource;
mod schema;
mod selection;
mod serve;
mod server;
mod stdio;
mod task;
mod tool;
mod tool_box;
mod watched;
mod words;

pub use function::FunctionFormat;
pub use http::{DEFAULT_LISTEN, HttpOptions, HttpServer, Token, TokenError};
pub use options::{ServerOptions, Structured};
pub use profile::Profile;
pub use project::Project;
pub use selection::{Selection, SelectionError};
pub use serve::{ServeError, serve, serve_http, serve_stdio};
pub use server::Server;
pub use tool_box::{ToolBox, ToolOutput};
