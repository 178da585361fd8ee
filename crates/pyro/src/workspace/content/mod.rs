//! What is in a workspace: its files, what changed, what is brought in and out.

mod diff;
mod entry;
mod export;
mod limit;
mod list;
mod live_tree;
mod patch;
mod push;
mod read;
mod seed_error;
mod unpack;
mod write;

pub use self::diff::DiffRequest;
pub(super) use self::diff::TreeBefore;
pub(crate) use self::diff::diff_of;
pub(crate) use self::export::PlannedExport;
pub use self::export::{ExportKind, ExportRequest};
pub use self::list::ListFilesRequest;
pub(crate) use self::live_tree::LiveTree;
pub use self::push::{CopyRequest, OnTransfer, PushRequest, TransferProgress};
pub use self::read::{FileEncoding, FileRange, ReadFileRequest};
pub(super) use self::seed_error::seed_error;
pub use self::unpack::ExportGuard;
pub(super) use self::unpack::{Budget, Output, Unpack};
pub use self::write::WriteFileRequest;
