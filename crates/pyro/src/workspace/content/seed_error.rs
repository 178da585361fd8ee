//! Why a seed, or what is to be pushed, cannot be had.

use std::io;

use pyro_image::seed::SeedError;

use crate::dirs::quoted;
use crate::error::{Diagnosis, Error, ErrorCode};

/// A source on the host that cannot be brought in.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct SeedFailure(SeedError);

/// What an error of a seed means to whoever named its source. Contents are limited by the workspace's quota, so more
/// of them than the limit is a lack of space.
pub(in crate::workspace) fn seed_error(error: SeedError) -> Error {
    SeedFailure(error).into()
}

impl Diagnosis for SeedFailure {
    fn code(&self) -> ErrorCode {
        match &self.0 {
            SeedError::Source { .. } => ErrorCode::InvalidArgument,
            SeedError::ArchiveInvalid { .. } => ErrorCode::ArchiveInvalid,
            SeedError::TooManyBytes { .. } => ErrorCode::InsufficientResources,
            SeedError::TooManyEntries { .. } | SeedError::TooMuchMetadata { .. } => ErrorCode::TooLarge,
            SeedError::Cancelled => ErrorCode::Cancelled,
            SeedError::Read { .. } | SeedError::Changed { .. } | SeedError::Image(_) => ErrorCode::HostIo,
            // Kinds that a later version of the crate may have.
            _ => ErrorCode::Internal,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match &self.0 {
            SeedError::Read { path, source } if source.kind() == io::ErrorKind::NotFound => {
                format!("check the spelling: `ls -ld {}`", quoted(path))
            }
            SeedError::Read { path, .. } => {
                format!("check its owner and mode: `ls -ld {}`", quoted(path))
            }
            SeedError::Source { .. } => {
                "name a directory, or a tar archive, plain or compressed with gzip or zstd".to_owned()
            }
            SeedError::ArchiveInvalid { .. } => {
                "remake it with relative names: `tar -C DIR -czf FILE .`".to_owned()
            }
            SeedError::TooManyBytes { .. } => {
                "leave out what is not needed, or make a workspace with a larger `--disk-gib`".to_owned()
            }
            SeedError::TooManyEntries { .. } | SeedError::TooMuchMetadata { .. } => {
                "split it, or leave out what is not needed".to_owned()
            }
            SeedError::Changed { .. } => "leave it alone for the while, and try again".to_owned(),
            SeedError::Image(_) => "check the space that is left: `df -h`; see `pyro doctor`".to_owned(),
            SeedError::Cancelled => "run it again; nothing was changed".to_owned(),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use pyro_image::seed::{SeedOptions, SeedPlan};

    use super::*;

    fn plan(path: &std::path::Path, options: &SeedOptions) -> Error {
        let cancel = AtomicBool::new(false);
        seed_error(SeedPlan::new(path, options, &mut |_| {}, &cancel).unwrap_err())
    }

    #[test]
    fn a_source_that_is_missing_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let error = plan(&dir.path().join("no such"), &SeedOptions::default());
        assert_eq!(error.code(), ErrorCode::HostIo);
        assert!(error.message().contains("/no such`"), "{error}");
        assert!(error.hint().unwrap().contains("/no such'"), "{:?}", error.hint());
    }

    #[test]
    fn what_is_neither_directory_nor_archive_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let text = dir.path().join("text");
        std::fs::write(&text, [b'x'; 4096]).unwrap();
        assert_eq!(
            plan(&text, &SeedOptions::default()).code(),
            ErrorCode::ArchiveInvalid
        );
        let device = plan("/dev/null".as_ref(), &SeedOptions::default());
        assert_eq!(device.code(), ErrorCode::InvalidArgument);
    }

    #[test]
    fn more_than_the_quota_is_a_lack_of_space() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("large"), [b'x'; 4096]).unwrap();
        let mut options = SeedOptions::default();
        options.limits.content_bytes = 4095;
        assert_eq!(
            plan(dir.path(), &options).code(),
            ErrorCode::InsufficientResources
        );
        options.limits.entries = 0;
        assert_eq!(plan(dir.path(), &options).code(), ErrorCode::TooLarge);
    }
}
