//! Git, as a second opinion.

#![expect(clippy::unwrap_used, reason = "a helper that fails must fail the test")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::tree::{Tree, read, write};

/// A repository of its own, and a place for trees beside it.
pub(crate) struct Git {
    dir: tempfile::TempDir,
}

impl Git {
    pub(crate) fn new() -> Self {
        let git = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        git.run(&git.repository(), &["init", "-q"], b"");
        git
    }

    fn repository(&self) -> PathBuf {
        let path = self.dir.path().join("repository");
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    fn run(&self, cwd: &Path, arguments: &[&str], input: &[u8]) -> Output {
        let mut command = Command::new("git");
        command.args(arguments).current_dir(cwd);
        command
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1");
        command.env("GIT_CEILING_DIRECTORIES", self.dir.path());
        let input_path = self.dir.path().join("input");
        std::fs::write(&input_path, input).unwrap();
        command.stdin(Stdio::from(std::fs::File::open(input_path).unwrap()));
        command.output().unwrap()
    }

    /// Stores trees, each under its name, in one go.
    pub(crate) fn store<'a>(&self, trees: impl IntoIterator<Item = (String, &'a Tree)>) {
        let mut stream = Vec::new();
        for (name, tree) in trees {
            let head = format!("commit refs/heads/{name}\ncommitter x <x@x> 0 +0000\ndata 0\n\ndeleteall\n");
            stream.extend_from_slice(head.as_bytes());
            for (path, file) in tree {
                let path: String = path.iter().map(|byte| format!("\\{byte:03o}")).collect();
                let head = format!("M {} inline \"{path}\"\ndata {}\n", file.mode, file.content.len());
                stream.extend_from_slice(head.as_bytes());
                stream.extend_from_slice(&file.content);
                stream.push(b'\n');
            }
        }
        let output = self.run(&self.repository(), &["fast-import", "--quiet"], &stream);
        assert!(output.status.success(), "{}", output.stderr.escape_ascii());
    }

    /// The difference of two stored trees as Git prints it.
    pub(crate) fn diff(&self, old: &str, new: &str, options: &[&str]) -> Vec<u8> {
        let arguments = [&["diff"], options, &[old, new]].concat();
        let output = self.run(&self.repository(), &arguments, b"");
        assert!(output.status.success(), "{}", output.stderr.escape_ascii());
        output.stdout
    }

    /// The tree that `git apply` makes, or its complaint.
    pub(crate) fn apply(&self, tree: &Tree, patch: &[u8]) -> Result<Tree, String> {
        let dir = tempfile::tempdir_in(self.dir.path()).unwrap();
        write(tree, dir.path());
        let output = self.run(dir.path(), &["apply", "--whitespace=nowarn", "-"], patch);
        if output.status.success() {
            Ok(read(dir.path()))
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }
}
