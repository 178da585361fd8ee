//! Runs a child program: its output goes to a log file, and is shown when it fails or when the user wants to see it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context as _, Result, bail};
use fs_err as fs;

use crate::{Context, say};

/// How much of a failed child's log is shown.
const SHOWN_LINES: usize = 2000;

impl Context {
    /// Runs a command that must succeed.
    pub(crate) fn run(&self, name: &str, command: &mut Command) -> Result<()> {
        let status = self.watch(name, command, |_| {})?;
        if status.success() {
            return Ok(());
        }
        self.show_log(name)?;
        bail!("`{}` failed: {status}", line(command));
    }

    /// Runs a command and hands each of its lines to `on_line` as it comes.
    pub(crate) fn watch(
        &self,
        name: &str,
        command: &mut Command,
        mut on_line: impl FnMut(&str),
    ) -> Result<ExitStatus> {
        let path = self.log(name);
        fs::create_dir_all(self.layout.own())?;
        let mut log = fs::File::create(&path)?;
        writeln!(log, "$ {}", line(command))?;

        let (reader, writer) = std::io::pipe()?;
        command
            .stdin(Stdio::null())
            .stdout(writer.try_clone()?)
            .stderr(writer);
        let spawned = command.spawn();
        let mut child = spawned.with_context(|| format!("cannot run `{}`", line(command)))?;
        // The command holds the pipe's other end: without this the pipe would never come to its end.
        command.stdout(Stdio::null()).stderr(Stdio::null());

        let mut reader = BufReader::new(reader);
        let mut bytes = Vec::new();
        while reader.read_until(b'\n', &mut bytes)? > 0 {
            log.write_all(&bytes)?;
            let text = String::from_utf8_lossy(&bytes);
            let text = text.trim_end_matches(['\n', '\r']);
            if self.verbose {
                say::relay(text);
            }
            on_line(text);
            bytes.clear();
        }
        Ok(child.wait()?)
    }

    /// Shows what a child wrote, unless it was shown while it ran.
    pub(crate) fn show_log(&self, name: &str) -> Result<()> {
        if self.verbose {
            return Ok(());
        }
        let path = self.log(name);
        let text = String::from_utf8_lossy(&fs::read(&path)?).into_owned();
        let lines: Vec<&str> = text.lines().collect();
        let left_out = lines.len().saturating_sub(SHOWN_LINES);
        if left_out > 0 {
            say::note(&format!(
                "{left_out} lines left out, all are in {}",
                path.display()
            ));
        }
        for line in &lines[left_out..] {
            say::relay(line);
        }
        Ok(())
    }

    fn log(&self, name: &str) -> PathBuf {
        self.layout.own().join(format!("{}.log", name.replace(' ', "-")))
    }
}

/// What a command prints on stdout, for commands that end at once and print little.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let shown = line(command);
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run `{shown}`"))?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        bail!("`{shown}` failed: {}: {}", output.status, complaint.trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{shown}` printed what is not UTF-8"))
}

/// The command, as one would type it.
fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Layout;

    fn context(dir: &std::path::Path) -> Context {
        let layout = Layout {
            root: dir.into(),
            target: dir.into(),
            cache: dir.into(),
        };
        Context {
            layout,
            verbose: false,
        }
    }

    #[test]
    fn both_streams_arrive_in_order_and_in_the_log() {
        let dir = tempfile::tempdir().unwrap();
        let context = context(dir.path());
        let mut lines = Vec::new();
        let mut command = Command::new("sh");
        command.args(["-c", "echo one; echo two >&2; printf three; exit 3"]);
        let status = context
            .watch("some step", &mut command, |line| lines.push(line.to_owned()))
            .unwrap();
        assert_eq!(status.code(), Some(3));
        assert_eq!(lines, ["one", "two", "three"]);
        let log = fs::read_to_string(dir.path().join("xtask/some-step.log")).unwrap();
        assert!(log.ends_with("one\ntwo\nthree"), "{log}");
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = output(&mut Command::new("/no/such/program")).unwrap_err();
        assert_eq!(error.to_string(), "cannot run `/no/such/program`");
    }
}
