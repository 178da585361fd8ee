//! What differs from the baseline, brought out as files.

use bytes::Bytes;
use jiff::Timestamp;
use pyro_proto::file::{Changes, Export, Fetch, FileEntry, FileKind};
use pyro_proto::message::Verb;

use super::plan::{Changed, Plan, is_equal};
use super::{ExportRequest, Exported};
use crate::error::{Diagnosis, ErrorCode, Result};
use crate::guest::files::{ChangesCall, ExportCall, Fetched};
use crate::workspace::content::LiveTree;
use crate::workspace::content::unpack::{Budget, Output, Unpacking};

/// The longest content that is fetched with others; longer ones come by themselves, in bytes.
const FETCHED_BYTES: u64 = 1 << 20;

/// The longest content that is compared with what it was, if nothing else says that it changed, in bytes. It is held
/// in memory twice.
const COMPARED_BYTES: u64 = 16 << 20;

/// How many contents are fetched at once.
const FETCHED_FILES: usize = 8;

/// How many directories are asked for at once.
const FETCHED_DIRECTORIES: usize = 256;

/// The path has never been there.
#[derive(Debug, thiserror::Error)]
#[error("no `{path}`, and there was none")]
struct NeverThere {
    path: String,
}

impl Diagnosis for NeverThere {
    fn code(&self) -> ErrorCode {
        ErrorCode::PathNotFound
    }

    fn hint(&self) -> Option<String> {
        Some("see `pyro workspace diff` for what changed".to_owned())
    }
}

/// Brings out what changed at or below a path, as a directory, and says what is gone.
pub(super) async fn export(
    tree: &impl LiveTree,
    request: &ExportRequest,
    output: Output,
) -> Result<Exported> {
    let base = request.path.as_bytes();
    let path = Bytes::copy_from_slice(base);
    let (used, call) = tree.call(Verb::Changes).await?;
    let budget = Budget::of_disk(tree.capacity_bytes()?);
    let (mut call, changes) = ChangesCall::start(call, Changes { path }).await?;
    let root = fetch_one(&mut call, live(base, 0)).await?;
    let kind = root
        .as_ref()
        .map_or(FileKind::Absent as i32, |root| root.entry.kind);
    if kind == i32::from(FileKind::Absent) && changes.is_empty() {
        let path = request.path.to_string();
        return Err(NeverThere { path }.into());
    }
    let plan = Plan::new(base, kind == i32::from(FileKind::Directory), &changes);
    let mut unpacking = Unpacking::start(output, budget);
    let sent = async {
        unpacking.entry(as_directory(root.as_ref(), b"")).await?;
        send_directories(&mut call, &plan, &mut unpacking).await?;
        send_files(tree, &mut call, &plan, &mut unpacking).await
    };
    match sent.await {
        Ok(()) => Ok((used, unpacking.finish().await?, plan.deleted)),
        Err(error) => {
            unpacking.abandon().await;
            Err(error)
        }
    }
}

async fn send_files(
    tree: &impl LiveTree,
    call: &mut ChangesCall,
    plan: &Plan,
    unpacking: &mut Unpacking,
) -> Result<()> {
    let mut few: Vec<&Changed> = Vec::new();
    for changed in &plan.files {
        if changed.may_be_equal && changed.size <= COMPARED_BYTES {
            if !is_unchanged(call, changed).await? {
                send_file(tree, changed, plan, unpacking).await?;
            }
        } else if changed.is_file && changed.size > FETCHED_BYTES {
            send_file(tree, changed, plan, unpacking).await?;
        } else {
            few.push(changed);
        }
        if few.len() == FETCHED_FILES {
            send_few(tree, call, &few, plan, unpacking).await?;
            few.clear();
        }
    }
    send_few(tree, call, &few, plan, unpacking).await
}

/// Sends files and links that are fetched together.
async fn send_few(
    tree: &impl LiveTree,
    call: &mut ChangesCall,
    few: &[&Changed],
    plan: &Plan,
    unpacking: &mut Unpacking,
) -> Result<()> {
    let wanted: Vec<Fetch> = few
        .iter()
        .map(|changed| live(&changed.path, FETCHED_BYTES))
        .collect();
    if wanted.is_empty() {
        return Ok(());
    }
    for (changed, fetched) in few.iter().zip(call.fetch(&wanted).await?) {
        match (FileKind::try_from(fetched.entry.kind), fetched.content) {
            // It went, or became a directory, since it was compared; what is in that was not.
            (Ok(FileKind::Absent | FileKind::Directory), _) => {}
            // It has grown since.
            (Ok(FileKind::File), None) => send_file(tree, changed, plan, unpacking).await?,
            (_, content) => {
                let path = Bytes::copy_from_slice(plan.relative(&changed.path));
                unpacking
                    .entry(FileEntry {
                        path,
                        ..fetched.entry
                    })
                    .await?;
                if let Some(content) = content {
                    unpacking.data(content.into()).await?;
                }
            }
        }
    }
    Ok(())
}

/// Sends a file of any length.
async fn send_file(
    tree: &impl LiveTree,
    changed: &Changed,
    plan: &Plan,
    unpacking: &mut Unpacking,
) -> Result<()> {
    let path = Bytes::copy_from_slice(&changed.path);
    let (_, call) = tree.call(Verb::Export).await?;
    let mut call = ExportCall::start(call, Export { path }).await?;
    let entry = match call.next_entry().await {
        Ok(entry) => entry,
        // As above.
        Err(error) if error.code() == ErrorCode::PathNotFound => None,
        Err(error) => return Err(error.into()),
    };
    let Some(entry) = entry else {
        return Ok(());
    };
    let kind = FileKind::try_from(entry.kind);
    if kind == Ok(FileKind::Directory) {
        return Ok(());
    }
    let path = Bytes::copy_from_slice(plan.relative(&changed.path));
    unpacking.entry(FileEntry { path, ..entry }).await?;
    while kind == Ok(FileKind::File)
        && let Some(data) = call.next_data().await?
    {
        unpacking.data(data).await?;
    }
    Ok(())
}

async fn send_directories(call: &mut ChangesCall, plan: &Plan, unpacking: &mut Unpacking) -> Result<()> {
    let directories: Vec<&Vec<u8>> = plan.directories.iter().collect();
    for some in directories.chunks(FETCHED_DIRECTORIES) {
        let wanted: Vec<Fetch> = some.iter().map(|path| live(path, 0)).collect();
        for (path, fetched) in some.iter().zip(call.fetch(&wanted).await?) {
            let entry = as_directory(Some(&fetched), plan.relative(path));
            unpacking.entry(entry).await?;
        }
    }
    Ok(())
}

/// Whether a file or a link is as it was, though something about it made it look changed.
async fn is_unchanged(call: &mut ChangesCall, changed: &Changed) -> Result<bool> {
    let max_bytes = changed.size;
    let new = live(&changed.path, max_bytes);
    let old = Fetch {
        old: true,
        ..new.clone()
    };
    let both = call.fetch(&[old, new]).await?;
    let [old, new] = both.as_slice() else {
        return Ok(false);
    };
    Ok(is_equal(old, new))
}

async fn fetch_one(call: &mut ChangesCall, wanted: Fetch) -> Result<Option<Fetched>> {
    Ok(call.fetch(&[wanted]).await?.pop())
}

/// Asks for a path as it is now.
fn live(path: &[u8], max_bytes: u64) -> Fetch {
    Fetch {
        path: Bytes::copy_from_slice(path),
        old: false,
        max_bytes,
    }
}

/// A directory to be made, with the mode and time of what was fetched. What is no directory any more gets those of a
/// new one, since there are things to be put into it.
fn as_directory(fetched: Option<&Fetched>, path: &[u8]) -> FileEntry {
    let path = Bytes::copy_from_slice(path);
    let kind = i32::from(FileKind::Directory);
    match fetched {
        Some(fetched) if fetched.entry.kind == kind => FileEntry {
            path,
            ..fetched.entry.clone()
        },
        _ => FileEntry {
            path,
            kind,
            mode: 0o755,
            modified_s: Timestamp::now().as_second(),
            ..FileEntry::default()
        },
    }
}
