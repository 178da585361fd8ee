//! More at the end of a file that is there.

use std::io;

use pyro_proto::file::FileWritten;
use rustix::fs::{Mode, OFlags};

use super::resolve::Found;
use super::write::mode;
use super::{entry, make};

/// Adds to the end of a regular file, in one step as far as others see, and durably.
///
/// # Errors
/// What the kernel says. The file is then as long as before, unless somebody else has added to it meanwhile.
pub(super) fn append(found: &Found, content: &[u8], executable: Option<bool>) -> io::Result<FileWritten> {
    let file = found.open(OFlags::WRONLY | OFlags::APPEND)?;
    let old = rustix::fs::fstat(&file)?;
    if let Err(error) = make::write_all(&file, content).and_then(|()| rustix::fs::fsync(&file)) {
        let now = rustix::fs::fstat(&file)?;
        let written = now.st_size.saturating_sub(old.st_size);
        if usize::try_from(written).is_ok_and(|written| written <= content.len()) {
            rustix::fs::ftruncate(&file, u64::try_from(old.st_size).unwrap_or(0))?;
        }
        return Err(error.into());
    }
    let old_mode = entry::permissions(&old);
    let mode = mode(Some(old_mode), executable);
    if mode != old_mode {
        rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))?;
        rustix::fs::fsync(&file)?;
    }
    let now = rustix::fs::fstat(&file)?;
    Ok(FileWritten {
        size: u64::try_from(now.st_size).unwrap_or(0),
        mode: entry::permissions(&now),
        created: false,
    })
}
