//! A catalog entry from the distribution's own packages, by mmdebstrap(1).
//!
//! mmdebstrap reads the host's package sources and needs no privileges. Its tar comes through a pipe and becomes the
//! one layer of an image; nothing is unpacked outside the cache.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use pyro_image::{BlobStore, Image, ImportError};
use tokio::net::UnixStream;

use super::BuildOptions;
use super::catalog::{self, Entry};
use crate::argument::InvalidArgument;
use crate::process::{self, OwnedChild};
use crate::settings::Settings;

/// The most shown of what mmdebstrap said, in characters.
const MESSAGE_LENGTH: usize = 600;

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

    /// Checks what the caller named.
    ///
    /// # Errors
    /// [`InvalidArgument`] for the first package or mirror that cannot be one.
    pub(super) fn check(&self) -> Result<(), InvalidArgument> {
        let malformed = |name, problem, given: &String| {
            Err(InvalidArgument::Malformed {
                name,
                problem,
                given: given.clone(),
            })
        };
        if let Some(package) = self.packages.iter().find(|package| !is_package_name(package)) {
            return malformed("package", "is no package name", package);
        }
        match &self.mirror {
            Some(mirror) if !is_mirror(mirror) => {
                malformed("mirror", "must be an http, https or file URL", mirror)
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

/// Debian policy, 5.6.1; also keeps options out of the command line.
fn is_package_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte);
    name.len() >= 2 && name.as_bytes()[0].is_ascii_alphanumeric() && name.bytes().all(allowed)
}

fn is_mirror(url: &str) -> bool {
    let schemes = ["http://", "https://", "file:/"];
    schemes.iter().any(|scheme| url.starts_with(scheme)) && !url.contains(char::is_whitespace)
}

/// Builds the recipe and puts its one layer into the store. Dropping the future ends the build.
pub(super) async fn build(
    recipe: &Recipe,
    settings: &Settings,
    cache_dir: &Path,
    blobs: &BlobStore,
) -> Result<Image, PackagesError> {
    let program = process::find_program(&settings.search_path, "mmdebstrap");
    let program = program.ok_or(PackagesError::NotInstalled)?;
    let scratch = Scratch::create(cache_dir).map_err(PackagesError::Start)?;
    let (mut child, tar) = start(&program, recipe, settings, &scratch)
        .await
        .map_err(PackagesError::Start)?;
    let imported = pyro_image::import_rootfs_tar(tar, Path::new("mmdebstrap"), blobs).await;
    child.ended().await;
    if child.succeeded() {
        return Ok(imported?);
    }
    // A tar that ends early is the symptom; what mmdebstrap says is the cause.
    Err(PackagesError::Failed(errors_in(&child.stderr_tail().await)))
}

async fn start(
    program: &Path,
    recipe: &Recipe,
    settings: &Settings,
    scratch: &Scratch,
) -> std::io::Result<(OwnedChild, std::io::PipeReader)> {
    let (reader, writer) = std::io::pipe()?;
    let (messages, messages_end) = std::os::unix::net::UnixStream::pair()?;
    messages.set_nonblocking(true)?;
    let mut command = in_namespaces(program, settings);
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
    command
        .stdin(Stdio::null())
        .stdout(writer)
        .stderr(std::os::fd::OwnedFd::from(messages_end));
    process::bind_to_owner(&mut command);
    let child = OwnedChild::own(process::spawn(command).await?, UnixStream::from_std(messages)?)?;
    Ok((child, reader))
}

/// As root, mmdebstrap mounts file systems and starts programs: in namespaces of its own, all of that ends with it.
/// Without privileges it makes such namespaces by itself.
fn in_namespaces(program: &Path, settings: &Settings) -> Command {
    let unshare = process::find_program(&settings.search_path, "unshare");
    match unshare {
        Some(unshare) if rustix::process::getuid().is_root() => {
            let mut command = Command::new(unshare);
            command
                .args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--"])
                .arg(program);
            command
        }
        Some(_) | None => Command::new(program),
    }
}

/// The lines that tell what went wrong, or all of them.
fn errors_in(said: &str) -> String {
    let errors: Vec<&str> = said
        .lines()
        .filter(|line| line.starts_with("E: ") || line.contains("error"))
        .collect();
    let said = if errors.is_empty() {
        said.to_owned()
    } else {
        errors.join("; ")
    };
    let skipped = said.chars().count().saturating_sub(MESSAGE_LENGTH);
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
