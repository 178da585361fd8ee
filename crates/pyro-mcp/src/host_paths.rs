//! Which paths of the host a client may name: those inside the roots that the server was started with, and those that
//! the client itself announced.

mod announced;
mod resolve;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use pyro::{Diagnosis, ErrorCode};
use rmcp::RoleServer;
use rmcp::service::RequestContext;

use self::announced::ask;
use self::resolve::resolved;
use crate::handler::is_stateless;

/// The roots that paths must be in. Cheap to clone; clones know the same roots.
#[derive(Debug, Clone)]
pub(crate) struct HostPaths {
    allowed: Arc<[PathBuf]>,
    /// Where relative paths start; the working directory if absent.
    base: Option<Arc<Path>>,
    /// Absent where what a client announces does not count.
    announced: Option<Arc<Mutex<Announced>>>,
}

/// What the client said last.
#[derive(Debug, Default)]
struct Announced {
    /// How often it said that its roots changed.
    changes: u64,
    /// Its roots, once it was asked.
    roots: Option<Vec<PathBuf>>,
}

/// A path of the host that cannot be used.
#[derive(Debug, thiserror::Error)]
enum HostPathError {
    /// It is outside of all roots.
    #[error("`{given}` is not allowed")]
    Denied { given: String, roots: Vec<PathBuf> },
    /// It names no file.
    #[error("`{name}` must end in the name of a file or directory, got `{given}`")]
    Nameless { name: &'static str, given: String },
}

impl Diagnosis for HostPathError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Denied { .. } => ErrorCode::HostPathDenied,
            Self::Nameless { .. } => ErrorCode::InvalidArgument,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Denied { roots, .. } if roots.is_empty() => Some(
                "no path of the host is allowed; start the server with `--allow-host-path DIR`".to_owned(),
            ),
            Self::Denied { roots, .. } => {
                let roots: Vec<_> = roots.iter().map(|root| root.display().to_string()).collect();
                Some(format!(
                    "allowed: {}; start the server with `--allow-host-path DIR` for others",
                    roots.join(", ")
                ))
            }
            Self::Nameless { .. } => None,
        }
    }
}

/// What a path is for, which decides how it is resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    /// It is read: links are followed to their end.
    Source,
    /// It is made or replaced: a link at its end is what is replaced.
    Output,
}

impl HostPaths {
    /// Allows what is inside these directories and that of the project, where relative paths start then. One that is not
    /// there allows nothing.
    pub(crate) fn new(directories: &[PathBuf], project: Option<&Path>) -> Self {
        let all = directories.iter().map(PathBuf::as_path).chain(project);
        let canonical = all.filter_map(|directory| {
            let found = directory.canonicalize();
            found
                .inspect_err(
                    |error| tracing::warn!(%error, directory = %directory.display(), "no allowed root"),
                )
                .ok()
        });
        Self {
            allowed: canonical.collect(),
            base: project.map(Arc::from),
            announced: Some(Arc::default()),
        }
    }

    /// The same, where what a client announces does not count.
    pub(crate) fn without_announced(self) -> Self {
        Self {
            announced: None,
            ..self
        }
    }

    /// Asks the client anew before its roots are used again.
    pub(crate) fn forget_announced(&self) {
        if let Some(announced) = &self.announced {
            let mut announced = announced.lock().unwrap_or_else(PoisonError::into_inner);
            announced.changes += 1;
            announced.roots = None;
        }
    }

    /// Where a file or directory is that is to be read. Relative paths start at the project, else at the working directory.
    ///
    /// # Errors
    /// `host-path-denied`.
    pub(crate) async fn source(
        &self,
        context: Option<&RequestContext<RoleServer>>,
        given: &str,
    ) -> pyro::Result<PathBuf> {
        let path = resolved(&self.based(Path::new(given)));
        let (path, _) = self.allowed(context, Use::Source, path, given).await?;
        Ok(path)
    }

    /// Where a file or directory is that is to be made or replaced, and the roots that it must be in once its directory
    /// was opened.
    ///
    /// # Errors
    /// `host-path-denied`, and `invalid-argument` for a path that ends in no name.
    pub(crate) async fn output(
        &self,
        context: Option<&RequestContext<RoleServer>>,
        name: &'static str,
        given: &str,
    ) -> pyro::Result<(PathBuf, Vec<PathBuf>)> {
        let Some(last) = Path::new(given).file_name() else {
            let given = shown(given);
            return Err(HostPathError::Nameless { name, given }.into());
        };
        let parent = Path::new(given).parent().unwrap_or_else(|| Path::new(""));
        let path = resolved(&self.based(parent)).map(|parent| parent.join(last));
        self.allowed(context, Use::Output, path, given).await
    }

    fn based(&self, path: &Path) -> PathBuf {
        match &self.base {
            Some(base) => base.join(path),
            None => path.to_owned(),
        }
    }

    async fn allowed(
        &self,
        context: Option<&RequestContext<RoleServer>>,
        purpose: Use,
        path: Option<PathBuf>,
        given: &str,
    ) -> pyro::Result<(PathBuf, Vec<PathBuf>)> {
        let mut roots = self.allowed.to_vec();
        // The client is asked only where that can make a difference.
        if let Some(path) = path {
            if is_inside(&path, purpose, &roots) {
                return Ok((path, roots));
            }
            if let Some(context) = context {
                roots.extend(self.announced(context).await);
            }
            if is_inside(&path, purpose, &roots) {
                return Ok((path, roots));
            }
        }
        let given = shown(given);
        Err(HostPathError::Denied { given, roots }.into())
    }

    /// The roots of the client. One without a session has none, nor has one that does not answer in time.
    async fn announced(&self, context: &RequestContext<RoleServer>) -> Vec<PathBuf> {
        let has_roots = context
            .client_capabilities()
            .is_some_and(|capabilities| capabilities.roots.is_some());
        let Some(announced) = self
            .announced
            .as_ref()
            .filter(|_| has_roots && !is_stateless(context))
        else {
            return Vec::new();
        };
        let changes = {
            let announced = announced.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(roots) = &announced.roots {
                return roots.clone();
            }
            announced.changes
        };
        let Some(roots) = ask(context).await else {
            return Vec::new();
        };
        let mut announced = announced.lock().unwrap_or_else(PoisonError::into_inner);
        // What was said before the last change is of use for this call alone.
        if announced.changes == changes {
            announced.roots = Some(roots.clone());
        }
        roots
    }
}

/// As much of a path as an error repeats.
fn shown(given: &str) -> String {
    given.chars().take(200).collect()
}

fn is_inside(path: &Path, purpose: Use, roots: &[PathBuf]) -> bool {
    let anchor = match purpose {
        Use::Source => Some(path),
        // A root itself is not replaced.
        Use::Output => path.parent(),
    };
    anchor.is_some_and(|anchor| roots.iter().any(|root| anchor.starts_with(root)))
}

#[cfg(test)]
mod tests;
