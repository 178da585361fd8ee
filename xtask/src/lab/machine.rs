//! The outer VM: a whole x86 with AMD's virtualisation, emulated, so that its kernel has a KVM that works.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use fs_err as fs;

use crate::runtime::kernel::Kernel;
use crate::{Context, say};

/// How long the lab may run, in seconds: several times what all tests need on two cores that others use too.
const LIMIT: &str = "2400";
/// In MiB. The guests of the tests share it.
const MEMORY: &str = "4096";
const CPUS: &str = "2";
/// How much of the console is shown when the lab did not finish.
const SHOWN_LINES: usize = 40;

/// What it is made of.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) kernel: Kernel,
    pub(super) initramfs: PathBuf,
    /// The root file system, read-only.
    pub(super) tools: PathBuf,
    /// The disk that it writes to.
    pub(super) work: PathBuf,
    /// Where its console goes.
    pub(super) console: PathBuf,
}

impl Machine {
    /// Runs it to its end, and hands each line of its job to `on_line`.
    pub(super) fn run(&self, context: &Context, on_line: impl FnMut(&str)) -> Result<()> {
        let status = context.watch("lab", &mut self.command(), on_line)?;
        if !status.success() {
            say::note(&format!(
                "the lab's VM failed or took more than {LIMIT} s: {status}"
            ));
        }
        Ok(())
    }

    /// Shows the end of its console.
    pub(super) fn show_console(&self) -> Result<()> {
        let text = String::from_utf8_lossy(&fs::read(&self.console)?).into_owned();
        let lines: Vec<&str> = text.lines().collect();
        say::note(&format!("the end of the console, {}:", self.console.display()));
        for line in &lines[lines.len().saturating_sub(SHOWN_LINES)..] {
            say::relay(line);
        }
        Ok(())
    }

    /// The VMM dies with its time limit, and that with this program, however it ends.
    fn command(&self) -> Command {
        let mut command = Command::new("setpriv");
        command
            .args([
                "--pdeathsig",
                "TERM",
                "timeout",
                "--foreground",
                "--kill-after=5",
                LIMIT,
            ])
            .args(["setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64"])
            .args(["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"])
            .args([
                "-name",
                "pyro-lab",
                "-machine",
                "q35,graphics=off,vmport=off,usb=off",
            ])
            // `max` has AMD's virtualisation, with nested paging.
            .args(["-accel", "tcg,thread=multi,tb-size=1024", "-cpu", "max"])
            .args(["-smp", CPUS, "-m", MEMORY])
            .arg("-kernel")
            .arg(self.kernel.vmlinux())
            .arg("-initrd")
            .arg(&self.initramfs)
            .args([
                "-append",
                "console=ttyS0 panic=-1 mitigations=off no_timer_check random.trust_cpu=on",
            ]);
        command
            .arg("-serial")
            .arg(format!("file:{}", self.console.display()));
        disk(&mut command, &self.tools, "tools", "read-only=on");
        disk(
            &mut command,
            &self.work,
            "work",
            "read-only=off,cache.no-flush=on",
        );
        command
            .args(["-device", "virtio-rng-pci", "-device", "virtio-serial-pci"])
            .args([
                "-chardev",
                "file,id=job,path=/dev/stdout",
                "-device",
                "virtserialport,chardev=job,name=job",
            ]);
        command
    }
}

fn disk(command: &mut Command, path: &Path, node: &str, options: &str) {
    command
        .arg("-blockdev")
        .arg(format!(
            "driver=raw,node-name={node},{options},file.driver=file,file.filename={}",
            path.display()
        ))
        .args(["-device", &format!("virtio-blk-pci,drive={node}")]);
}
