//! Puts everything that is staged into the tree at once.

use std::io;

use pyro_proto::file::PutResult;
use pyro_proto::message::{Fault, FaultKind};
use rustix::io::Errno;

use super::descent::is_absence;
use super::journal;
use super::outlet::failure;
use super::plan::{check_stamp, check_stamps, plan};
use super::staging::Staging;
use super::steps::{Step, Work};
use crate::call::fault;
use crate::log;

/// Checks everything, and, unless it is a dry run, puts all of it in place. Durable once it returns.
///
/// # Errors
/// A [`Fault`]; the tree is then as it was.
pub(super) fn commit(staging: &mut Staging, dry_run: bool) -> Result<PutResult, Fault> {
    commit_guarded(staging, dry_run, &mut || Ok(()))
}

/// As [`commit`], with a guard before each call that changes the tree.
///
/// # Errors
/// As [`commit`].
pub(super) fn commit_guarded(
    staging: &mut Staging,
    dry_run: bool,
    guard: &mut dyn FnMut() -> io::Result<()>,
) -> Result<PutResult, Fault> {
    // What takes long comes before the stamps are looked at, and before anybody is kept waiting.
    staging.seal(!dry_run)?;
    let tree = staging.tree.clone();
    let _alone = tree.lock.blocking_write();
    let failed = |error: io::Error| failure("put files into", b"", error);
    // One that could not be undone at the time must not be written over.
    journal::roll_back(&tree).map_err(failed)?;
    check_stamps(staging)?;
    staging.stage_changed(!dry_run)?;
    let plan = plan(staging)?;
    let result = PutResult {
        entries: staging.entries,
        bytes: staging.bytes,
        deleted: plan.deleted,
    };
    if dry_run {
        return Ok(result);
    }
    staging.is_needed = true;
    if let Err(error) = journal::write(&tree.state, &staging.name, &plan.work) {
        staging.is_needed = journal::clear(&tree.state).is_err();
        return Err(failed(error));
    }
    if let Err(refusal) = put_in_place(staging, &plan.work, guard) {
        match journal::roll_back(&tree) {
            Ok(()) => staging.is_needed = false,
            Err(error) => log::error(&format!("cannot undo what was put into the workspace: {error}")),
        }
        return Err(refusal);
    }
    staging.is_needed = false;
    Ok(result)
}

fn put_in_place(
    staging: &Staging,
    work: &Work,
    guard: &mut dyn FnMut() -> io::Result<()>,
) -> Result<(), Fault> {
    let failed = |error: io::Error| failure("put files into", b"", error);
    let ground = journal::ground(&staging.tree, &staging.name).map_err(failed)?;
    let mut ground = ground.ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?;
    let mut changed = None;
    let mut before_each = |step: Option<&Step>| {
        guard()?;
        let note = step.and_then(|step| Some((step, staging.notes.get(&step.path)?)));
        let Some((step, note)) = note.filter(|(_, note)| !note.expected.is_empty()) else {
            return Ok(());
        };
        check_stamp(staging, &step.path, note).map_err(|conflict| {
            changed = Some(conflict);
            io::ErrorKind::Other.into()
        })
    };
    let outcome = work.run(&mut ground, &mut before_each);
    if let Err(error) = outcome {
        return Err(changed.unwrap_or_else(|| told(error)));
    }
    rustix::fs::syncfs(&staging.tree.state).map_err(|error| failed(error.into()))?;
    journal::clear(&staging.tree.state).map_err(failed)
}

/// What a step failed with: that something is there where nothing was, or the other way round, is a command's doing.
fn told(error: io::Error) -> Fault {
    match Errno::from_io_error(&error) {
        Some(Errno::EXIST | Errno::ISDIR | Errno::NOTEMPTY) => crossed(),
        Some(other) if is_absence(other) => crossed(),
        _ => failure("put files into", b"", error),
    }
}

fn crossed() -> Fault {
    let problem = "files were changed while others were put in place; nothing was put";
    fault(FaultKind::Conflict, problem)
}
