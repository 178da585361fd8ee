//! A directory of the host as the source of a seed.

mod content;
mod handle;
mod listing;
mod scan;

pub(super) use content::{DirectoryContents, Wanted};
pub(super) use handle::Root;
pub(super) use scan::scan;
