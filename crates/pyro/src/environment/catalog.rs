//! The environments that pyro knows by a short name.

/// The version of the catalog.
pub(crate) const VERSION: &str = "1";

/// One entry of the catalog. Both ways to it, the registry and the packages, give at least the packages promised.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
    /// What users may count on.
    pub(crate) promised: &'static [&'static str],
    /// The image with these contents.
    pub(crate) reference: &'static str,
    /// The packages to install where no registry answers, on top of the essential ones.
    pub(crate) packages: &'static [&'static str],
}

/// What all entries are.
pub(crate) const DISTRIBUTION: &str = "debian";

/// The distribution's version.
pub(crate) const DISTRIBUTION_VERSION: &str = "12";

/// The name of that version in the package archive.
pub(crate) const SUITE: &str = "bookworm";

/// The whole catalog.
pub(crate) const ENTRIES: &[Entry] = &[
    Entry {
        name: "debian:12",
        description: "Debian 12 with git",
        promised: &["bash", "coreutils", "git"],
        reference: "docker.io/library/buildpack-deps:bookworm-scm",
        packages: &["ca-certificates", "git", "procps"],
    },
    Entry {
        name: "debian:12-base",
        description: "Debian 12, the essentials",
        promised: &["bash", "coreutils"],
        reference: "docker.io/library/debian:12-slim",
        packages: &[],
    },
    Entry {
        name: "debian:12-build",
        description: "Debian 12 with git, gcc, make, cmake and Python",
        promised: &["git", "gcc", "make", "cmake", "python3"],
        reference: "docker.io/library/buildpack-deps:bookworm",
        packages: &[
            "build-essential",
            "ca-certificates",
            "cmake",
            "git",
            "procps",
            "python3",
            "python3-venv",
        ],
    },
];

/// The entry of this name.
pub(crate) fn find(name: &str) -> Option<&'static Entry> {
    ENTRIES.iter().find(|entry| entry.name == name)
}
