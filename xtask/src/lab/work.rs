//! From what the lab is made of to machines that run their jobs.

use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;

use anyhow::{Result, bail};
use fs_err as fs;

use crate::lab::disk::{self, Contents};
use crate::lab::machine::Machine;
use crate::lab::results;
use crate::lab::tier::Tier;
use crate::lab::{initramfs, tools};
use crate::runtime::kernel::{self, Kernel};
use crate::{Context, environments, firecracker, say};

/// What all machines of the lab are made of. Nobody else uses their files while it lives.
pub(super) struct Lab<'a> {
    context: &'a Context,
    dir: PathBuf,
    kernel: Kernel,
    initramfs: PathBuf,
    tools: PathBuf,
    firecracker: PathBuf,
    _lock: fs::File,
}

/// The name of the log with what the job of a tier said.
pub(super) fn log_name(tier: Tier) -> String {
    format!("lab {}", tier.word())
}

impl<'a> Lab<'a> {
    /// Gets or makes what is missing.
    pub(super) fn prepare(context: &'a Context) -> Result<Self> {
        environments::prepare(context)?;
        let dir = context.layout.own().join("lab");
        fs::create_dir_all(&dir)?;
        let lock = fs::File::create(dir.join("lock"))?;
        lock.file().lock()?;
        let firecracker = firecracker::prepare(context)?;
        let tools = tools::prepare(context)?;
        let kernel = kernel::prepare(context, &initramfs::MODULES)?;
        let initramfs = dir.join("initramfs.cpio");
        fs::write(&initramfs, initramfs::build(&kernel)?)?;
        Ok(Self {
            context,
            dir,
            kernel,
            initramfs,
            tools,
            firecracker,
            _lock: lock,
        })
    }

    /// Runs each job in a machine of its own, all at once, and hands their lines to `on_line`, with the job's index.
    ///
    /// # Errors
    /// If a machine cannot be made, or went away before its job ended.
    pub(super) fn run(
        &self,
        jobs: &[(Tier, String)],
        tests: &[(String, PathBuf)],
        mut on_line: impl FnMut(usize, &str),
    ) -> Result<()> {
        let machines = say::step("lab disks", || {
            jobs.iter()
                .map(|(tier, job)| self.machine(*tier, job, tests))
                .collect::<Result<Vec<_>>>()
        })?;
        let mut ended = vec![false; machines.len()];
        let outcome = say::step("lab", || {
            let (sender, lines) = mpsc::channel();
            thread::scope(|scope| {
                let runs: Vec<_> = machines
                    .iter()
                    .zip(jobs)
                    .enumerate()
                    .map(|(index, (machine, (tier, _)))| {
                        let sender = sender.clone();
                        scope.spawn(move || {
                            machine.run(self.context, &log_name(*tier), |line| {
                                // Whoever listens does so until the last one has spoken.
                                let _unheard = sender.send((index, line.to_owned()));
                            })
                        })
                    })
                    .collect();
                drop(sender);
                for (index, line) in lines {
                    ended[index] |= results::is_end(&line);
                    on_line(index, &line);
                }
                runs.into_iter()
                    .try_for_each(|run| run.join().expect("running a machine does not panic"))
            })
        });
        for machine in &machines {
            fs::remove_file(&machine.work)?;
        }
        outcome?;
        let unfinished = machines.iter().zip(jobs).zip(ended).find(|(_, ended)| !ended);
        if let Some(((machine, (tier, _)), _)) = unfinished {
            self.context.show_log(&log_name(*tier))?;
            machine.show_console()?;
            bail!("the lab did not finish on {tier}");
        }
        Ok(())
    }

    fn machine(&self, tier: Tier, job: &str, tests: &[(String, PathBuf)]) -> Result<Machine<'_>> {
        let contents = Contents {
            job,
            tests,
            firecracker: &self.firecracker,
        };
        Ok(Machine {
            kernel: &self.kernel,
            initramfs: &self.initramfs,
            tools: &self.tools,
            work: disk::build(self.context, &self.dir, tier.word(), &contents)?,
            console: self.dir.join(format!("console-{}.log", tier.word())),
        })
    }
}
