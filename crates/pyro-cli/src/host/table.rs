//! What is known of each host.

use std::path::{Path, PathBuf};

/// A chat host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Host {
    ClaudeCode,
    Codex,
    OpenCode,
    Cursor,
    VsCode,
    ClaudeDesktop,
}

/// How a host writes its configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// JSON, with or without comments.
    Json(Shape),
    /// Codex's TOML.
    Toml,
}

/// The form of entries in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    /// The key that holds the servers.
    pub(crate) section: &'static str,
    /// The type that is given with an entry.
    pub(crate) kind: Option<&'static str>,
    /// Whether the program and its arguments are one list, as OpenCode has it.
    pub(crate) one_list: bool,
    /// Whether the host reads comments and commas at ends.
    pub(crate) comments: bool,
}

/// Ten minutes, in seconds: where a host gives up earlier by itself, a build in a guest would not get to its end.
pub(crate) const CALL_SECONDS: u32 = 600;

/// The names that users give, in the order of the contract.
pub(crate) const NAMES: [&str; 6] = [
    "claude-code",
    "codex",
    "opencode",
    "cursor",
    "vscode",
    "claude-desktop",
];

impl Host {
    /// Every host, in the order of [`NAMES`].
    pub(crate) const ALL: [Self; 6] = [
        Self::ClaudeCode,
        Self::Codex,
        Self::OpenCode,
        Self::Cursor,
        Self::VsCode,
        Self::ClaudeDesktop,
    ];

    /// The host with a name of [`NAMES`].
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|host| host.name() == name)
    }

    /// Its name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ClaudeCode => "claude-code",
            Self::Codex => "codex",
            Self::OpenCode => "opencode",
            Self::Cursor => "cursor",
            Self::VsCode => "vscode",
            Self::ClaudeDesktop => "claude-desktop",
        }
    }

    /// What it does with a new entry, and how that can be seen.
    pub(crate) fn next_step(self) -> &'static str {
        match self {
            Self::ClaudeCode => "start Claude Code anew; `/mcp` shows the server",
            Self::Codex => {
                "start Codex anew; `/mcp` shows the server. A project's file counts once the project is trusted"
            }
            Self::OpenCode => "start OpenCode anew; `opencode mcp list` shows the server",
            Self::Cursor => "restart Cursor; the server is in its settings under MCP",
            Self::VsCode => "in VS Code run `MCP: List Servers` and start the server",
            Self::ClaudeDesktop => {
                "quit and start Claude Desktop; the server is in its settings under Developer"
            }
        }
    }

    /// How its configuration is written.
    pub(crate) fn format(self) -> Format {
        let servers = Shape {
            section: "mcpServers",
            kind: None,
            one_list: false,
            comments: false,
        };
        match self {
            Self::Codex => Format::Toml,
            Self::ClaudeDesktop => Format::Json(servers),
            Self::ClaudeCode => Format::Json(Shape {
                kind: Some("stdio"),
                ..servers
            }),
            Self::Cursor => Format::Json(Shape {
                comments: true,
                ..servers
            }),
            Self::VsCode => Format::Json(Shape {
                section: "servers",
                kind: Some("stdio"),
                comments: true,
                ..servers
            }),
            Self::OpenCode => Format::Json(Shape {
                section: "mcp",
                kind: Some("local"),
                one_list: true,
                comments: true,
            }),
        }
    }

    /// Names of servers that it keeps for itself, or that would be read as something else.
    pub(crate) fn reserved(self) -> &'static [&'static str] {
        match self {
            Self::ClaudeCode => &["workspace", "claude-in-chrome", "computer-use"],
            // The second form of its configuration has the servers under this key.
            Self::OpenCode => &["servers"],
            Self::Codex | Self::Cursor | Self::VsCode | Self::ClaudeDesktop => &[],
        }
    }

    /// Whether projects may have a configuration of their own.
    pub(crate) fn has_projects(self) -> bool {
        self != Self::ClaudeDesktop
    }

    /// The files of a project, the one to make first.
    pub(crate) fn project_files(self, root: &Path) -> Option<Vec<PathBuf>> {
        let files: &[&str] = match self {
            Self::ClaudeCode => &[".mcp.json"],
            Self::Codex => &[".codex/config.toml"],
            Self::OpenCode => &["opencode.json", "opencode.jsonc"],
            Self::Cursor => &[".cursor/mcp.json"],
            Self::VsCode => &[".vscode/mcp.json"],
            Self::ClaudeDesktop => return None,
        };
        Some(files.iter().map(|file| root.join(file)).collect())
    }

    /// The files of a user, the one to make first.
    ///
    /// `variable` gives the absolute path that a variable of the environment holds.
    pub(crate) fn user_files(self, home: &Path, variable: impl Fn(&str) -> Option<PathBuf>) -> Vec<PathBuf> {
        let config = || variable("XDG_CONFIG_HOME").unwrap_or_else(|| home.join(".config"));
        match self {
            Self::ClaudeCode => {
                let dir = variable("CLAUDE_CONFIG_DIR").unwrap_or_else(|| home.to_owned());
                vec![dir.join(".claude.json")]
            }
            Self::Codex => {
                let dir = variable("CODEX_HOME").unwrap_or_else(|| home.join(".codex"));
                vec![dir.join("config.toml")]
            }
            Self::OpenCode => {
                let dir = config().join("opencode");
                vec![dir.join("opencode.json"), dir.join("opencode.jsonc")]
            }
            Self::Cursor => vec![home.join(".cursor/mcp.json")],
            Self::VsCode => vec![config().join("Code/User/mcp.json")],
            Self::ClaudeDesktop => vec![config().join("Claude/claude_desktop_config.json")],
        }
    }
}
