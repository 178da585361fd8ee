//! Where pyro keeps its things, and what it does unless told otherwise.

use std::env::VarError;
use std::path::{Path, PathBuf};

use crate::argument::InvalidArgument;
use crate::error::{Diagnosis, ErrorCode};
use crate::isolation::IsolationFloor;

/// The environment used where none is named.
pub const DEFAULT_ENVIRONMENT: &str = "debian:12";

const DEFAULT_OUTPUT_LIMIT_MIB: u64 = 16;

/// Everything that a [`Pyro`](crate::Pyro) is opened with. The library reads no environment variable but in
/// [`Settings::from_env`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// State: records, disks, logs.
    pub home: PathBuf,
    /// Environments and downloads; removing it loses no workspace.
    pub cache_dir: PathBuf,
    /// Kernel and agent, if elsewhere than beside the program.
    pub runtime_dir: Option<PathBuf>,
    /// The `pyro` that supervises workspaces, if it is neither the program that runs nor in the search path.
    pub program: Option<PathBuf>,
    /// Where VMMs and other programs are looked up, as in `PATH`.
    pub search_path: Vec<PathBuf>,
    /// The isolation demanded where a request demands none.
    pub isolation: IsolationFloor,
    /// Whether commands may run on this host itself, isolated by nothing, where no VM can; a request may allow it too.
    pub allow_host_compat: bool,
    /// The environment where a request names none.
    pub environment: String,
    /// The most output kept per command over both streams, in bytes.
    pub output_limit: u64,
    /// Whether VMs are restored from templates, which are made where there are none; otherwise each boots cold.
    pub templates: bool,
    /// How registries are reached.
    pub registry: RegistryAccess,
    /// The user's own file of what Git ignores (gitignore(5)); it need not exist.
    pub git_excludes_file: Option<PathBuf>,
}

/// How registries are reached.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct RegistryAccess {
    /// A registry that is asked first for images of docker.io.
    pub mirror: Option<String>,
    /// A proxy for HTTPS.
    pub https_proxy: Option<String>,
    /// Hosts that are reached without it.
    pub no_proxy: Option<String>,
    /// The directory of Docker's `config.json`, with credentials.
    pub docker_config: Option<PathBuf>,
}

/// Settings that cannot be made out.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// No place for state or cache.
    #[error("neither `{variable}` nor HOME is set")]
    NoHome {
        /// The variable that would name the place.
        variable: &'static str,
    },
    /// A variable that must be text is not.
    #[error("`{variable}` is not valid UTF-8")]
    NotText {
        /// The variable.
        variable: &'static str,
    },
    /// A variable with a value that cannot be used.
    #[error("`{variable}` cannot be used")]
    Value {
        /// The variable.
        variable: &'static str,
        /// Why.
        source: InvalidArgument,
    },
}

impl Diagnosis for SettingsError {
    fn code(&self) -> ErrorCode {
        ErrorCode::InvalidArgument
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoHome { variable } => format!("set `{variable}` to a directory of yours"),
            Self::NotText { variable } | Self::Value { variable, .. } => {
                format!("correct or unset `{variable}`")
            }
        })
    }
}

impl Settings {
    /// Settings with everything under the two directories and the rest at its default.
    pub fn new(home: impl Into<PathBuf>, cache_dir: impl Into<PathBuf>) -> Self {
        Self {
            home: home.into(),
            cache_dir: cache_dir.into(),
            runtime_dir: None,
            program: None,
            search_path: [
                "/usr/local/bin",
                "/usr/bin",
                "/bin",
                "/usr/local/sbin",
                "/usr/sbin",
                "/sbin",
            ]
            .map(PathBuf::from)
            .to_vec(),
            isolation: IsolationFloor::Auto,
            allow_host_compat: false,
            environment: DEFAULT_ENVIRONMENT.to_owned(),
            output_limit: DEFAULT_OUTPUT_LIMIT_MIB << 20,
            templates: true,
            registry: RegistryAccess::default(),
            git_excludes_file: None,
        }
    }

    /// Reads the variables that the README lists.
    ///
    /// # Errors
    /// [`SettingsError`] for the first one that cannot be used.
    pub fn from_env() -> Result<Self, SettingsError> {
        Self::from_lookup(&|name| std::env::var(name))
    }

    fn from_lookup(lookup: &Lookup<'_>) -> Result<Self, SettingsError> {
        let mut settings = Self::new(
            place(lookup, "PYRO_HOME", "XDG_STATE_HOME", ".local/state")?,
            place(lookup, "PYRO_CACHE_DIR", "XDG_CACHE_HOME", ".cache")?,
        );
        settings.runtime_dir = text(lookup, "PYRO_RUNTIME_DIR")?.map(PathBuf::from);
        if let Some(path) = text(lookup, "PATH")? {
            // Programs in directories that the caller does not name are still found where every system has them.
            let named = std::env::split_paths(&path).filter(|dir| dir.is_absolute());
            settings.search_path.splice(0..0, named);
        }
        if let Some(value) = text(lookup, "PYRO_ISOLATION")? {
            settings.isolation = value.parse().map_err(invalid("PYRO_ISOLATION"))?;
        }
        if let Some(value) = text(lookup, "PYRO_ENVIRONMENT")? {
            settings.environment = value;
        }
        if let Some(value) = text(lookup, "PYRO_OUTPUT_LIMIT_MIB")? {
            settings.output_limit = mebibytes(&value).map_err(invalid("PYRO_OUTPUT_LIMIT_MIB"))?;
        }
        if let Some(value) = text(lookup, "PYRO_TEMPLATES")? {
            settings.templates = on_or_off(&value).map_err(invalid("PYRO_TEMPLATES"))?;
        }
        settings.registry = RegistryAccess {
            mirror: text(lookup, "PYRO_REGISTRY_MIRROR")?,
            https_proxy: first(lookup, ["HTTPS_PROXY", "https_proxy"])?,
            no_proxy: first(lookup, ["NO_PROXY", "no_proxy"])?,
            docker_config: match text(lookup, "DOCKER_CONFIG")? {
                Some(dir) => Some(PathBuf::from(dir)),
                None => text(lookup, "HOME")?.map(|home| Path::new(&home).join(".docker")),
            },
        };
        let config = match text(lookup, "XDG_CONFIG_HOME")? {
            Some(dir) => Some(PathBuf::from(dir)),
            None => text(lookup, "HOME")?.map(|home| Path::new(&home).join(".config")),
        };
        settings.git_excludes_file = config.map(|dir| dir.join("git/ignore"));
        Ok(settings)
    }
}

type Lookup<'a> = dyn Fn(&'static str) -> Result<String, VarError> + 'a;

fn text(lookup: &Lookup<'_>, variable: &'static str) -> Result<Option<String>, SettingsError> {
    match lookup(variable) {
        Ok(value) if value.is_empty() => Ok(None),
        Ok(value) => Ok(Some(value)),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(SettingsError::NotText { variable }),
    }
}

fn first<const N: usize>(
    lookup: &Lookup<'_>,
    names: [&'static str; N],
) -> Result<Option<String>, SettingsError> {
    for name in names {
        if let Some(value) = text(lookup, name)? {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

fn place(
    lookup: &Lookup<'_>,
    variable: &'static str,
    base: &'static str,
    below_home: &str,
) -> Result<PathBuf, SettingsError> {
    if let Some(dir) = text(lookup, variable)? {
        return std::path::absolute(&dir).map_err(|_| SettingsError::NoHome { variable });
    }
    // The XDG base directory specification tells to ignore relative values.
    if let Some(dir) = text(lookup, base)?
        .map(PathBuf::from)
        .filter(|dir| dir.is_absolute())
    {
        return Ok(dir.join("pyro"));
    }
    let home = text(lookup, "HOME")?.ok_or(SettingsError::NoHome { variable })?;
    Ok(Path::new(&home).join(below_home).join("pyro"))
}

fn on_or_off(text: &str) -> Result<bool, InvalidArgument> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(InvalidArgument::Malformed {
            name: "templates",
            problem: "must be on or off",
            given: text.to_owned(),
        }),
    }
}

fn mebibytes(value: &str) -> Result<u64, InvalidArgument> {
    let malformed = || InvalidArgument::Malformed {
        name: "output_limit_mib",
        problem: "must be a whole number of MiB",
        given: value.to_owned(),
    };
    let count = value.parse::<u64>().map_err(|_| malformed())?;
    Ok(crate::argument::in_range("output_limit_mib", count, &(1..=1024))? << 20)
}

fn invalid(variable: &'static str) -> impl Fn(InvalidArgument) -> SettingsError {
    move |source| SettingsError::Value { variable, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        Settings::from_lookup(&|name| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found
                .map(|(_, value)| (*value).to_owned())
                .ok_or(VarError::NotPresent)
        })
    }

    #[test]
    fn places_follow_the_xdg_rules() {
        let own = settings(&[("PYRO_HOME", "/s"), ("PYRO_CACHE_DIR", "/c")]).unwrap();
        assert_eq!((own.home, own.cache_dir), ("/s".into(), "/c".into()));
        let xdg = settings(&[
            ("XDG_STATE_HOME", "/x"),
            ("XDG_CACHE_HOME", "rel"),
            ("HOME", "/h"),
        ])
        .unwrap();
        assert_eq!(
            (xdg.home, xdg.cache_dir),
            ("/x/pyro".into(), "/h/.cache/pyro".into())
        );
        assert!(matches!(
            settings(&[]),
            Err(SettingsError::NoHome {
                variable: "PYRO_HOME"
            })
        ));
    }

    #[test]
    fn templates_are_on_unless_they_are_turned_off() {
        assert!(settings(&[("HOME", "/h")]).unwrap().templates);
        let off = settings(&[("HOME", "/h"), ("PYRO_TEMPLATES", "off")]).unwrap();
        assert!(!off.templates);
        settings(&[("HOME", "/h"), ("PYRO_TEMPLATES", "0")]).unwrap_err();
    }

    #[test]
    fn a_value_that_cannot_be_used_names_its_variable() {
        let error = settings(&[("HOME", "/h"), ("PYRO_ISOLATION", "strong")]).unwrap_err();
        assert_eq!(error.to_string(), "`PYRO_ISOLATION` cannot be used");
        settings(&[("HOME", "/h"), ("PYRO_OUTPUT_LIMIT_MIB", "0")]).unwrap_err();
    }
}
