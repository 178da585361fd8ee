//! The outer VM: a whole x86 with AMD's virtualisation, emulated, so that its kernel has a KVM that works.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use fs_err as fs;

use crate::runtime::kernel::Kernel;
use crate::{Context, say};

/// How long the lab may run, in seconds: several times what all tests need on two cores that others use too.
const LIMIT: &str = "2400";
/// In MiB. The guests of the tests share it with their templates.
const MEMORY: &str = "6144";
/// Where QEMU 7.2 emulates several CPUs at once, a guest of a guest is lost now and then: 4 of 600 that were restored
/// ended in a triple fault, and none of 150 with one CPU.
const CPUS: &str = "1";
/// The clock of the processor is as good as the host's, and to read any other ends in the emulator's one big lock.
/// Programs at addresses that do not change are translated once, not in each process anew (`norandmaps`).
const KERNEL_COMMAND_LINE: &str =
    "console=ttyS0 panic=-1 mitigations=off no_timer_check random.trust_cpu=on tsc=reliable norandmaps";
/// A device that asks the guest's kernel for figures each second.
///
/// Where QEMU 7.2 emulates virtualisation, its CPU changes the word of what interrupts are pending without a lock, and may
/// so forget one that a device raises at that moment: seen as a halted CPU with a timer's interrupt in its APIC for good.
/// Any later interrupt brings all of them to mind again, but if it was the timer's there may be none. This is one.
const HEARTBEAT: &str = "virtio-balloon-pci,guest-stats-polling-interval=1";
/// How much of the console is shown when the lab did not finish.
const SHOWN_LINES: usize = 40;

/// What it is made of.
#[derive(Debug)]
pub(super) struct Machine<'a> {
    pub(super) kernel: &'a Kernel,
    pub(super) initramfs: &'a Path,
    /// The root file system, read-only.
    pub(super) tools: &'a Path,
    /// The disk that it writes to.
    pub(super) work: PathBuf,
    /// Where its console goes.
    pub(super) console: PathBuf,
}

impl Machine<'_> {
    /// Runs it to its end, and hands each line of its job to `on_line`; they also go to a log of this name.
    pub(super) fn run(&self, context: &Context, log: &str, on_line: impl FnMut(&str)) -> Result<()> {
        let status = context.watch(log, &mut self.command(), on_line)?;
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

    fn command(&self) -> Command {
        let mut command = owned("qemu-system-x86_64");
        command
            .args(["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"])
            .args([
                "-name",
                "pyro-lab",
                "-machine",
                "q35,graphics=off,vmport=off,usb=off,hpet=off",
            ])
            // `max` has AMD's virtualisation, with nested paging. Walks through five levels of tables in each of the two
            // dimensions would cost half as much again as through four, and where kernels see `erms`, they clear and copy
            // memory by instructions that are emulated byte by byte.
            .args([
                "-accel",
                "tcg,thread=multi,tb-size=1024",
                "-cpu",
                "max,la57=off,erms=off",
            ])
            .args(["-smp", CPUS, "-m", MEMORY])
            .arg("-kernel")
            .arg(self.kernel.vmlinux())
            .arg("-initrd")
            .arg(self.initramfs)
            .args(["-append", KERNEL_COMMAND_LINE]);
        command
            .arg("-serial")
            .arg(format!("file:{}", self.console.display()));
        disk(&mut command, self.tools, "tools", "read-only=on");
        disk(
            &mut command,
            &self.work,
            "work",
            "read-only=off,cache.no-flush=on",
        );
        command
            .args(["-device", "virtio-rng-pci", "-device", "virtio-serial-pci"])
            .args(["-device", HEARTBEAT])
            .args([
                "-chardev",
                "file,id=job,path=/dev/stdout",
                "-device",
                "virtserialport,chardev=job,name=job",
            ]);
        command
    }
}

/// A program with a time limit: it dies with that, and that with this program, however it ends.
fn owned(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "TERM"])
        .args(["timeout", "--foreground", "--kill-after=5", LIMIT])
        .args(["setpriv", "--pdeathsig", "KILL", program]);
    command
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

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Read as _};
    use std::process::Stdio;

    use super::*;

    #[test]
    fn nothing_outlives_the_one_who_started_it() {
        // What the kernel takes for the owner is a thread, so one that ends is as good as a program that is killed.
        let owner = std::thread::spawn(|| {
            let mut child = owned("sh")
                .args(["-c", "echo ready; exec sleep 1000"])
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let mut output = BufReader::new(child.stdout.take().unwrap());
            output.read_line(&mut String::new()).unwrap();
            (child, output)
        });
        let (mut child, mut output) = owner.join().unwrap();
        // The output ends when nobody is left who could write to it.
        assert_eq!(output.read_to_string(&mut String::new()).unwrap(), 0);
        assert!(!child.wait().unwrap().success());
    }
}
