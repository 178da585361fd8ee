//! Files listed.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use pyro_proto::file::ListFiles;
use pyro_proto::message::Verb;

use super::entry;
use crate::TreePath;
use crate::argument::{InvalidArgument, excerpt};
use crate::error::Result;
use crate::guest::files;
use crate::object::FileList;
use crate::workspace::Workspace;

/// Which files to list.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ListFilesRequest {
    /// The directory.
    pub path: TreePath,
    /// Whether to list what is in its directories too.
    pub recursive: bool,
    /// The most entries; all if absent.
    pub limit: Option<u64>,
    /// Where to go on: [`next_page`](FileList::next_page) of the list before.
    pub page: Option<String>,
}

impl Workspace {
    /// Lists a directory.
    ///
    /// # Errors
    /// `path-not-found`, `path-refused`, `wrong-file-type`, `invalid-state`, `guest-lost`.
    pub async fn list_files(&self, request: &ListFilesRequest) -> Result<FileList> {
        let after = request.page.as_deref().map_or(Ok(Vec::new()), position)?;
        let (guest, call) = self.call_guest(Verb::ListFiles).await?;
        let listed = files::list_files(
            call,
            ListFiles {
                path: request.path.as_bytes().to_vec().into(),
                recursive: request.recursive,
                limit: request.limit.unwrap_or(0),
                after: after.into(),
            },
        )
        .await?;
        let last = listed.entries.last().filter(|_| listed.more);
        let next_page = last.map(|last| BASE64_URL_SAFE_NO_PAD.encode(&last.path));
        let entries: Vec<_> = listed.entries.iter().filter_map(entry::info).collect();
        Ok(FileList {
            workspace_id: self.id(),
            path: request.path.to_string(),
            recursive: request.recursive,
            count: entries.len(),
            next_page,
            entries,
            warnings: guest.used.warnings(),
            guest: guest.used,
        })
    }
}

/// The path behind which a page begins.
fn position(page: &str) -> Result<Vec<u8>, InvalidArgument> {
    let malformed = |_| InvalidArgument::Malformed {
        name: "page",
        problem: "must be the `next_page` of a list",
        given: excerpt(page),
    };
    BASE64_URL_SAFE_NO_PAD.decode(page).map_err(malformed)
}
