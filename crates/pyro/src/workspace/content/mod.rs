//! What is in a workspace: its files, what changed, what is brought in and out.

mod diff;
mod export;
mod files;
mod patch;
mod push;
mod seed_error;
mod unpack;

pub use self::diff::DiffRequest;
pub use self::export::{ExportKind, ExportRequest};
pub use self::files::{FileEncoding, FileRange, ListFilesRequest, ReadFileRequest, WriteFileRequest};
pub use self::push::{OnTransfer, PushRequest, TransferProgress};
pub(in crate::workspace) use self::seed_error::seed_error;
