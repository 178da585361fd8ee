//! A catalog entry from the distribution's own packages, by mmdebstrap(1).
//!
//! mmdebstrap reads the host's package sources and needs no privileges. Its tar comes through a pipe and becomes the
//! one layer of an image; nothing is unpacked outside the cache.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use pyro_image::{BlobStore, Image, ImportError};
use tokio::process::Command;

use super::BuildOptions;
use super::catalog::{self, Entry};
use crate::settings::Settings;

/// The most shown of what mmdebstrap said, in bytes.
const MESSAGE_BYTES: usize = 600;

/// What to build.
#[derive(Debug, Clone)]
pub(super) struct Recipe {
    packages: Vec<String>,
    mirror: Option<String>,
}

/// Why nothing was built.
#[derive(Debug, thiserror::Error)]
pub(super) enum PackagesError {
    #[error("`mmdebstrap` is not installed (`apt-get install mmdebstrap`)")]
    NotInstalled,
    #[error("`{0}` is no package name")]
    PackageName(String),
    #[error("`{0}` is no mirror: give an http, https or file URL")]
    Mirror(String),
    #[error("cannot start mmdebstrap: {0}")]
    Start(std::io::Error),
    #[error("mmdebstrap failed: {0}")]
    Failed(String),
    #[error("{0}")]
    Import(#[from] ImportError),
}

impl Recipe {
    pub(super) fn new(entry: &Entry, options: &BuildOptions) -> Self {
        let mut packages: Vec<String> = entry
            .packages
            .iter()
            .map(|package| (*package).to_owned())
            .collect();
        packages.extend(options.packages.iter().cloned());
        packages.sort();
        packages.dedup();
        Self {
            packages,
            mirror: options.mirror.clone(),
        }
    }

    /// For people.
    pub(super) fn describe(&self) -> String {
        let packages = if self.packages.is_empty() {
            "the essential packages".to_owned()
        } else {
            self.packages.join(", ")
        };
        format!(
            "{} {} with {packages}",
            catalog::DISTRIBUTION,
            catalog::DISTRIBUTION_VERSION
        )
    }

    fn check(&self) -> Result<(), PackagesError> {
        // Debian policy, 5.6.1; also keeps options out of the command line.
        let valid = |name: &str| {
            name.len() >= 2
                && name.as_bytes()[0].is_ascii_alphanumeric()
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte))
        };
        if let Some(name) = self.packages.iter().find(|name| !valid(name)) {
            return Err(PackagesError::PackageName(name.clone()));
        }
        match &self.mirror {
            Some(mirror)
                if !["http://", "https://", "file:/"]
                    .iter()
                    .any(|scheme| mirror.starts_with(scheme))
                    || mirror.contains(char::is_whitespace) =>
            {
                Err(PackagesError::Mirror(mirror.clone()))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn arguments(&self) -> Vec<String> {
        let mut arguments: Vec<String> = ["--quiet", "--mode=auto", "--variant=apt", "--format=tar"]
            .map(str::to_owned)
            .to_vec();
        // Nobody reads manual pages in a machine that lives for minutes; licences stay.
        for option in [
            "exclude=/usr/share/man/*",
            "exclude=/usr/share/doc/*",
            "include=/usr/share/doc/*/copyright",
            "exclude=/usr/share/locale/*",
        ] {
            arguments.push(format!("--dpkgopt=path-{option}"));
        }
        if !self.packages.is_empty() {
            arguments.push(format!("--include={}", self.packages.join(",")));
        }
        arguments.push(catalog::SUITE.to_owned());
        arguments.push("-".to_owned());
        arguments.extend(self.mirror.clone());
        arguments
    }
}

/// Builds the recipe and puts its one layer into the store. Dropping the future ends the build.
pub(super) async fn build(
    recipe: &Recipe,
    settings: &Settings,
    cache_dir: &Path,
    blobs: &BlobStore,
) -> Result<Image, PackagesError> {
    recipe.check()?;
    let program = settings
        .search_path
        .iter()
        .map(|dir| dir.join("mmdebstrap"))
        .find(|program| program.is_file());
    let program = program.ok_or(PackagesError::NotInstalled)?;
    let scratch = Scratch::create(cache_dir).map_err(PackagesError::Start)?;
    let (mut child, tar) = start(&program, recipe, settings, &scratch).map_err(PackagesError::Start)?;
    let messages = child.stderr.take().expect("standard error is a pipe");
    let imported = pyro_image::import_rootfs_tar(tar, Path::new("mmdebstrap"), blobs);
    let (imported, messages, status) = tokio::join!(imported, last_words(messages), child.wait());
    match status {
        // A tar that ends early is the symptom; what mmdebstrap says is the cause.
        Ok(status) if !status.success() => Err(PackagesError::Failed(messages)),
        Ok(_) => Ok(imported?),
        Err(error) => Err(PackagesError::Start(error)),
    }
}

fn start(
    program: &Path,
    recipe: &Recipe,
    settings: &Settings,
    scratch: &Scratch,
) -> std::io::Result<(tokio::process::Child, std::io::PipeReader)> {
    let (reader, writer) = std::io::pipe()?;
    let mut command = std::process::Command::new(program);
    command.args(recipe.arguments()).env_clear().current_dir("/");
    let search_path = std::env::join_paths(&settings.search_path).map_err(std::io::Error::other)?;
    command
        .env("PATH", search_path)
        .env("LC_ALL", "C.UTF-8")
        .env("HOME", "/")
        .env("TMPDIR", &scratch.0);
    if let Some(proxy) = &settings.registry.https_proxy {
        command.env("https_proxy", proxy);
    }
    command.stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped());
    // Its helpers go with it, and the terminal's Ctrl-C is for pyro.
    command.process_group(0);
    let child = Command::from(command).kill_on_drop(true).spawn()?;
    Ok((child, reader))
}

async fn last_words(mut messages: tokio::process::ChildStderr) -> String {
    use tokio::io::AsyncReadExt;

    let mut kept = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = messages.read(&mut buffer).await {
        kept.extend_from_slice(&buffer[..count]);
        kept.drain(..kept.len().saturating_sub(16 * MESSAGE_BYTES));
    }
    let text = String::from_utf8_lossy(&kept);
    let errors: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("E: ") || line.contains("error"))
        .collect();
    let said = if errors.is_empty() {
        text.trim().to_owned()
    } else {
        errors.join("; ")
    };
    let skipped = said.chars().count().saturating_sub(MESSAGE_BYTES);
    said.chars().skip(skipped).collect()
}

/// A directory for mmdebstrap's own files, gone with this value.
struct Scratch(PathBuf);

impl Scratch {
    fn create(cache_dir: &Path) -> std::io::Result<Self> {
        use std::os::unix::fs::{DirBuilderExt, PermissionsExt};

        let dir = cache_dir.join(format!(".packages-{}", crate::random::hex::<8>()));
        std::fs::DirBuilder::new().mode(0o711).create(&dir)?;
        // Package tools run as other users within it, and must be able to pass through.
        std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o711))?;
        Ok(Self(dir))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _a_prune_finds_it = std::fs::remove_dir_all(&self.0);
    }
}
