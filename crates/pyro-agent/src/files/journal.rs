//! The journal: what is being put in place, so that whatever ends the machine meanwhile, it is undone.
//!
//! The file `journal` is in the workspace's state exactly while the tree may be neither as before nor as it is to be. It
//! begins with a line of its format, then has in turn, numbers being little-endian and strings led by their length: the
//! name in the stage; how many steps, and each; how many directories, and each; and a last line.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::attributes::Attributes;
use super::byte_path;
use super::descent::{Descent, is_absence, open_beneath};
use super::steps::{Action, Changed, Ground, Step, Work};
use super::tree::Tree;
use crate::log;

const FORMAT: &[u8] = b"pyro put 1\n";
const END: &[u8] = b"end of put\n";

const NAME: &str = "journal";
const NEXT_NAME: &str = "journal.new";

/// The longest string in a journal, in bytes.
const MAX_STRING_BYTES: u32 = 64 * 1024;

/// Writes down what is to be done with what has this name in the stage. Once this returns, [`roll_back`] undoes it.
///
/// # Errors
/// Those of writing it to disk; [`clear`] then, before what is staged goes.
pub(super) fn write(state: &OwnedFd, stage_name: &str, work: &Work) -> io::Result<()> {
    write_next(state, stage_name, work)?;
    rustix::fs::renameat(state, NEXT_NAME, state, NAME)?;
    rustix::fs::fsync(state).map_err(Into::into)
}

/// Strikes out what was written down: from here on it is done, or undone. What was staged for it must be whole until then.
///
/// # Errors
/// Those of writing that to disk.
pub(super) fn clear(state: &OwnedFd) -> io::Result<()> {
    for name in [NEXT_NAME, NAME] {
        match rustix::fs::unlinkat(state, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
    }
    rustix::fs::fsync(state).map_err(Into::into)
}

/// Undoes what is written down, if anything is.
///
/// # Errors
/// Those of the disk; the journal stays then.
pub(super) fn roll_back(tree: &Tree) -> io::Result<()> {
    roll_back_guarded(tree, &mut |_| Ok(()))
}

/// As [`roll_back`], with a guard before each step.
///
/// # Errors
/// As [`roll_back`], and those of the guard.
pub(super) fn roll_back_guarded(
    tree: &Tree,
    guard: &mut dyn FnMut(Option<&Step>) -> io::Result<()>,
) -> io::Result<()> {
    let Some(file) = open(&tree.state)? else {
        return Ok(());
    };
    match read(&mut BufReader::new(file)) {
        Ok((stage_name, work)) => {
            if let Some(mut ground) = ground(tree, &stage_name)? {
                work.undo(&mut ground, guard)?;
            }
        }
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            // It is written to disk before it gets its name: this is none of ours, and nothing can be made of it.
            log::error("the journal of the workspace is damaged, and given up");
        }
        Err(error) => return Err(error),
    }
    rustix::fs::syncfs(&tree.state)?;
    clear(&tree.state)
}

/// The directories that a journal's steps are about; `None` if nothing is staged by that name.
///
/// # Errors
/// Those of opening them.
pub(super) fn ground(tree: &Tree, stage_name: &str) -> io::Result<Option<Ground>> {
    let open = |part: &[u8]| {
        let path = byte_path::join(stage_name.as_bytes(), part);
        match open_beneath(tree.stage.as_fd(), &path) {
            Ok(directory) => Ok(Some(directory)),
            Err(error) if is_absence(error) => Ok(None),
            Err(error) => Err(error),
        }
    };
    let (Some(new), Some(old)) = (open(b"new")?, open(b"old")?) else {
        return Ok(None);
    };
    Ok(Some(Ground {
        live: Descent::new(&tree.root)?,
        new: Descent::new(new)?,
        old,
    }))
}

fn write_next(state: &OwnedFd, stage_name: &str, work: &Work) -> io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mode = Mode::RUSR | Mode::WUSR;
    let file = File::from(rustix::fs::openat(state, NEXT_NAME, flags, mode)?);
    let mut output = BufWriter::new(file);
    encode(&mut output, stage_name, work)?;
    output.into_inner()?.sync_all()
}

fn open(state: &OwnedFd) -> io::Result<Option<File>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match rustix::fs::openat(state, NAME, flags, Mode::empty()) {
        Ok(file) => Ok(Some(file.into())),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn encode(output: &mut impl Write, stage_name: &str, work: &Work) -> io::Result<()> {
    output.write_all(FORMAT)?;
    put_bytes(output, stage_name.as_bytes())?;
    output.write_all(&(work.steps.len() as u64).to_le_bytes())?;
    for step in &work.steps {
        output.write_all(&[step.action as u8])?;
        put_bytes(output, &step.path)?;
    }
    output.write_all(&(work.directories.len() as u64).to_le_bytes())?;
    for directory in &work.directories {
        put_bytes(output, &directory.path)?;
        put_attributes(output, directory.before)?;
        put_attributes(output, directory.after)?;
    }
    output.write_all(END)
}

fn put_bytes(output: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    output.write_all(&length.to_le_bytes())?;
    output.write_all(bytes)
}

fn put_attributes(output: &mut impl Write, attributes: Attributes) -> io::Result<()> {
    let (seconds, nanos) = attributes.modified.unwrap_or_default();
    output.write_all(&[
        u8::from(attributes.mode.is_some()),
        u8::from(attributes.modified.is_some()),
    ])?;
    output.write_all(&attributes.mode.unwrap_or(0).to_le_bytes())?;
    output.write_all(&seconds.to_le_bytes())?;
    output.write_all(&nanos.to_le_bytes())
}

fn read(input: &mut impl Read) -> io::Result<(String, Work)> {
    let mut work = Work::default();
    expect(input, FORMAT)?;
    let stage_name = String::from_utf8(take_path(input)?).map_err(|_| damaged())?;
    if stage_name.is_empty() || stage_name.contains('/') {
        return Err(damaged());
    }
    for _ in 0..u64::from_le_bytes(take(input)?) {
        let [action] = take(input)?;
        let action = [Action::Place, Action::Replace, Action::Swap, Action::Remove]
            .into_iter()
            .find(|known| *known as u8 == action)
            .ok_or_else(damaged)?;
        let path = take_path(input)?;
        work.steps.push(Step { action, path });
    }
    for _ in 0..u64::from_le_bytes(take(input)?) {
        work.directories.push(Changed {
            path: take_path(input)?,
            before: take_attributes(input)?,
            after: take_attributes(input)?,
        });
    }
    expect(input, END)?;
    Ok((stage_name, work))
}

fn take<const LENGTH: usize>(input: &mut impl Read) -> io::Result<[u8; LENGTH]> {
    let mut bytes = [0; LENGTH];
    fill(input, &mut bytes)?;
    Ok(bytes)
}

fn fill(input: &mut impl Read, bytes: &mut [u8]) -> io::Result<()> {
    input.read_exact(bytes).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => damaged(),
        _ => error,
    })
}

fn take_path(input: &mut impl Read) -> io::Result<Vec<u8>> {
    let length = u32::from_le_bytes(take(input)?);
    if length > MAX_STRING_BYTES {
        return Err(damaged());
    }
    let mut path = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    fill(input, &mut path)?;
    byte_path::check(&path).map_err(|_| damaged())?;
    Ok(path)
}

fn take_attributes(input: &mut impl Read) -> io::Result<Attributes> {
    let [has_mode, has_time] = take(input)?;
    let mode = u32::from_le_bytes(take(input)?);
    let seconds = i64::from_le_bytes(take(input)?);
    let nanos = u32::from_le_bytes(take(input)?);
    Ok(Attributes {
        mode: (has_mode != 0).then_some(mode),
        modified: (has_time != 0).then_some((seconds, nanos)),
    })
}

fn expect(input: &mut impl Read, line: &[u8]) -> io::Result<()> {
    let mut bytes = vec![0; line.len()];
    fill(input, &mut bytes)?;
    if bytes == line { Ok(()) } else { Err(damaged()) }
}

fn damaged() -> io::Error {
    io::ErrorKind::InvalidData.into()
}
