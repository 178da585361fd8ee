//! What pyro's build needs from Debian, and how it gets here.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Result, bail, ensure};
use fs_err as fs;

use crate::runtime::elf::Elf;
use crate::{Context, say};

/// Where programs are looked for besides `PATH`: an ordinary user's often lacks them.
const SYSTEM_PATH: [&str; 6] = [
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
];

/// Something that must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Need {
    probe: Probe,
    package: &'static str,
    reason: &'static str,
}

/// What shows that it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Probe {
    /// A program of this name.
    Program(&'static str),
    /// A program of this name that needs no dynamic linker.
    StaticProgram(&'static str),
    /// A program of this name, unless everything runs as root.
    ProgramForUsers(&'static str),
    /// A file.
    File(&'static str),
    /// Modules of the Python that `python3` starts.
    PythonModules(&'static str),
}

const fn program(name: &'static str, package: &'static str, reason: &'static str) -> Need {
    Need {
        probe: Probe::Program(name),
        package,
        reason,
    }
}

/// For the guest's kernel and initramfs.
pub(crate) const RUNTIME: &[Need] = &[
    program("cc", "gcc", "links, and compiles crates that contain C"),
    Need {
        probe: Probe::File("/usr/lib/x86_64-linux-gnu/libc.a"),
        package: "libc6-dev",
        reason: "headers, and the C library for the static agent",
    },
    program("apt-get", "apt", "fetches the guest's kernel"),
    program("dpkg-deb", "dpkg", "unpacks the guest's kernel"),
];

/// For running pyro.
pub(crate) const PRODUCT: &[Need] = &[
    program("qemu-system-x86_64", "qemu-system-x86", "runs the guests"),
    program("mke2fs", "e2fsprogs", "makes the guests' disks"),
    program(
        "mmdebstrap",
        "mmdebstrap",
        "builds environments where no registry can be reached",
    ),
    Need {
        probe: Probe::ProgramForUsers("newuidmap"),
        package: "uidmap",
        reason: "lets mmdebstrap work without root",
    },
];

/// For the tests alone.
pub(crate) const TESTS: &[Need] = &[
    program("git", "git", "judges patches"),
    program("fsck.erofs", "erofs-utils", "judges the images that pyro writes"),
    program(
        "docker-registry",
        "docker-registry",
        "a real registry on loopback",
    ),
    program("umoci", "umoci", "makes images for it"),
    program("skopeo", "skopeo", "fills it"),
    program("htpasswd", "apache2-utils", "gives it passwords"),
    program("python3", "python3", "runs an MCP client"),
    Need {
        probe: Probe::PythonModules("ensurepip, venv"),
        package: "python3-venv",
        reason: "keeps that client to itself",
    },
    program("node", "nodejs", "runs the MCP inspector"),
    program("npm", "npm", "fetches the MCP inspector"),
    Need {
        probe: Probe::StaticProgram("busybox"),
        package: "busybox-static",
        reason: "an image of one static program",
    },
];

/// For the wheel.
pub(crate) const PYTHON: &[Need] = &[
    program("python3", "python3", "builds the Python package"),
    Need {
        probe: Probe::PythonModules("ensurepip, venv"),
        package: "python3-venv",
        reason: "keeps what builds it to itself",
    },
];

/// For the lab.
pub(crate) const LAB: &[Need] = &[
    Need {
        probe: Probe::StaticProgram("busybox"),
        package: "busybox-static",
        reason: "is the first root of the lab",
    },
    program("python3", "python3", "takes firecracker out of a package"),
    Need {
        probe: Probe::PythonModules("pip"),
        package: "python3-pip",
        reason: "fetches that package",
    },
    program("setpriv", "util-linux", "ends the lab with its owner"),
];

/// Installs what is missing, and says what and why.
pub(crate) fn require(context: &Context, needs: &[Need]) -> Result<()> {
    let is_root = is_root()?;
    let missing = missing(needs, |probe| is_there(probe, is_root));
    if missing.is_empty() {
        return Ok(());
    }
    for need in &missing {
        say::note(&format!("missing: {} ({})", need.package, need.reason));
    }
    for (name, words) in commands(
        &missing,
        is_root,
        find("sudo").is_some(),
        find("apt-get").is_some(),
    )? {
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).env("DEBIAN_FRONTEND", "noninteractive");
        say::step(name, || context.run(name, &mut command))?;
    }
    if let Some(need) = missing.iter().find(|need| !is_there(need.probe, is_root)) {
        bail!(
            "package {} is installed, and what it is for is not there: {}",
            need.package,
            need.reason
        );
    }
    Ok(())
}

/// Where such a program is.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(SYSTEM_PATH.iter().map(Into::into))
        .map(|dir| dir.join(program))
        .find(|file| file.is_file())
}

fn is_static(program: &Path) -> bool {
    fs::read(program).is_ok_and(|bytes| Elf::parse(&bytes).is_ok_and(|elf| elf.is_static()))
}

fn is_root() -> Result<bool> {
    Ok(fs::metadata("/proc/self")?.uid() == 0)
}

fn is_there(probe: Probe, is_root: bool) -> bool {
    match probe {
        Probe::Program(name) => find(name).is_some(),
        Probe::StaticProgram(name) => find(name).is_some_and(|path| is_static(&path)),
        Probe::ProgramForUsers(name) => is_root || find(name).is_some(),
        Probe::File(path) => Path::new(path).exists(),
        Probe::PythonModules(names) => Command::new("python3")
            .args(["-c", &format!("import {names}")])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success()),
    }
}

fn missing(needs: &[Need], is_there: impl Fn(Probe) -> bool) -> Vec<Need> {
    needs
        .iter()
        .copied()
        .filter(|need| !is_there(need.probe))
        .collect()
}

/// The commands that install the packages, each with the name of its step.
fn commands(
    needs: &[Need],
    is_root: bool,
    has_sudo: bool,
    has_apt: bool,
) -> Result<Vec<(&'static str, Vec<String>)>> {
    let packages: Vec<&str> = needs.iter().map(|need| need.package).collect();
    ensure!(
        has_apt,
        "this host has no apt-get: install what Debian calls {} in its own way",
        packages.join(" ")
    );
    let install = "apt-get install --yes --no-install-recommends";
    ensure!(
        is_root || has_sudo,
        "packages are missing and neither root nor sudo is at hand; run as root:\n  apt-get update && {install} {}",
        packages.join(" ")
    );
    let before = if is_root {
        ""
    } else {
        "sudo env DEBIAN_FRONTEND=noninteractive "
    };
    let wait = "-o DPkg::Lock::Timeout=300";
    let words = |line: String| line.split_whitespace().map(str::to_owned).collect();
    Ok(vec![
        (
            "update package lists",
            words(format!("{before}apt-get {wait} update")),
        ),
        (
            "install packages",
            words(format!("{before}{install} {wait} {}", packages.join(" "))),
        ),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_but<'a>(names: &'a [&'a str]) -> impl Fn(Probe) -> bool + 'a {
        move |probe| !matches!(probe, Probe::Program(name) if names.contains(&name))
    }

    #[test]
    fn nothing_is_installed_where_nothing_is_missing() {
        assert!(missing(RUNTIME, all_but(&[])).is_empty());
    }

    #[test]
    fn root_updates_and_installs_exactly_what_is_missing() {
        let missing = missing(PRODUCT, all_but(&["mke2fs", "qemu-system-x86_64"]));
        let commands = commands(&missing, true, false, true).unwrap();
        let lines: Vec<String> = commands.iter().map(|(_, words)| words.join(" ")).collect();
        assert_eq!(
            lines,
            [
                "apt-get -o DPkg::Lock::Timeout=300 update",
                "apt-get install --yes --no-install-recommends -o DPkg::Lock::Timeout=300 qemu-system-x86 e2fsprogs",
            ]
        );
    }

    #[test]
    fn an_ordinary_user_goes_through_sudo() {
        let commands = commands(&missing(RUNTIME, all_but(&["cc"])), false, true, true).unwrap();
        assert!(
            commands[1]
                .1
                .join(" ")
                .starts_with("sudo env DEBIAN_FRONTEND=noninteractive apt-get install")
        );
    }

    #[test]
    fn without_root_and_sudo_the_command_to_type_is_shown() {
        let error = commands(&missing(RUNTIME, all_but(&["cc"])), false, false, true).unwrap_err();
        let text = error.to_string();
        assert!(
            text.ends_with("apt-get update && apt-get install --yes --no-install-recommends gcc"),
            "{text}"
        );
    }

    #[test]
    fn without_apt_the_packages_are_named() {
        let error = commands(&missing(RUNTIME, all_but(&["cc"])), true, false, false).unwrap_err();
        assert!(error.to_string().contains("what Debian calls gcc"));
    }
}
