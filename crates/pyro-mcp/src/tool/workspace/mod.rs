//! The tools for workspaces: their life, their commands, their files.

mod create;
mod delete;
mod diff;
mod exec;
mod export;
mod file_list;
mod file_read;
mod file_write;
mod list;
mod logs;
mod page;
mod patch_apply;
mod reset;
mod start;
mod status;
mod stop;
mod sync_push;
mod update;

pub(crate) use create::Create;
pub(crate) use delete::Delete;
pub(crate) use diff::Diff;
pub(super) use diff::{FILE_CHARS, TOTAL_CHARS};
pub(crate) use exec::Exec;
pub(crate) use export::Export;
pub(crate) use file_list::FileList;
pub(crate) use file_read::FileRead;
pub(crate) use file_write::FileWrite;
pub(crate) use list::List;
pub(crate) use logs::Logs;
pub(crate) use patch_apply::PatchApply;
pub(crate) use reset::Reset;
pub(crate) use start::Start;
pub(crate) use status::Status;
pub(crate) use stop::Stop;
pub(crate) use sync_push::SyncPush;
pub(crate) use update::Update;

use std::path::PathBuf;

use pyro::object::WorkspaceInfo;
use rmcp::model::JsonObject;

use super::{Answer, Call, object};
use crate::render::write_workspace;
use crate::schema::output_schema;

/// The tree of a workspace, in the guest.
const TREE: &str = pyro::TREE;

/// The schema of a *workspace*.
fn workspace_schema() -> JsonObject {
    output_schema(&[
        ("workspace_id", "string"),
        ("state", "string"),
        ("labels", "object"),
    ])
}

/// A *workspace* as a result, after something was done to it. The path of its seed is shown only to the client that
/// supplied it.
fn described(call: &Call, done: &str, mut info: WorkspaceInfo, supplied_seed: Option<&str>) -> Answer {
    info.workspace_seed.seed_path = supplied_seed.map(PathBuf::from);
    info.last_error = info.last_error.map(|error| call.words.without_places(&error));
    Answer::record(object(&info), |object| write_workspace(done, object))
}
