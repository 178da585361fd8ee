//! The test programs that run in the lab.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use serde::Deserialize;

use crate::{Context, say};

/// The packages whose tests with VMs are the same for every VMM.
const PACKAGES: [&str; 2] = ["pyro-cli", "pyro"];
/// The name of their test target.
const TARGET: &str = "vm";

/// What cargo says about something it built, as far as it matters here.
#[derive(Debug, Deserialize)]
struct Artifact {
    manifest_path: PathBuf,
    target: Target,
    executable: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

/// Builds them: the name of the package and the executable of each.
pub(super) fn build(context: &Context) -> Result<Vec<(String, PathBuf)>> {
    // All packages, so that cargo chooses the same features as for all tests and builds nothing twice.
    let mut cargo = context.layout.cargo();
    cargo.args(["test", "--locked", "--workspace", "--test", TARGET, "--no-run"]);
    cargo.arg("--message-format=json-render-diagnostics");
    let mut found = Vec::new();
    let status = say::step("build tests for the lab", || {
        context.watch("build lab tests", &mut cargo, |line| found.extend(program(line)))
    })?;
    if !status.success() {
        context.show_log("build lab tests")?;
    }
    ensure!(
        status.success(),
        "the tests for the lab cannot be built: {status}"
    );
    found.sort();
    ensure!(
        found.len() == PACKAGES.len(),
        "cargo built {} of the {} test programs for the lab",
        found.len(),
        PACKAGES.len()
    );
    Ok(found)
}

/// The program that a line of cargo's messages is about.
fn program(line: &str) -> Option<(String, PathBuf)> {
    let artifact: Artifact = serde_json::from_str(line).ok()?;
    let package = artifact.manifest_path.parent()?.file_name()?.to_str()?;
    let is_wanted =
        artifact.target.name == TARGET && artifact.target.kind == ["test"] && PACKAGES.contains(&package);
    is_wanted.then_some((package.to_owned(), artifact.executable?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_programs_of_the_lab_are_taken() {
        let line = |package: &str, target: &str, kind: &str| {
            format!(
                r#"{{"reason":"compiler-artifact","manifest_path":"/src/crates/{package}/Cargo.toml","target":{{"name":"{target}","kind":["{kind}"]}},"executable":"/t/deps/{target}-1"}}"#
            )
        };
        let found = Some(("pyro-cli".to_owned(), "/t/deps/vm-1".into()));
        assert_eq!(program(&line("pyro-cli", "vm", "test")), found);
        assert_eq!(program(&line("pyro-agent", "vm", "test")), None);
        assert_eq!(program(&line("pyro-cli", "it", "test")), None);
        assert_eq!(program("   Compiling pyro v0.1.0"), None);
    }
}
