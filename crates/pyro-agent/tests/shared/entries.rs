//! The host's calls that put many entries at once.

use bytes::Bytes;
use pyro_proto::file::{FileEntry, FileKind, Put, PutCommit, PutEntry, PutResult};
use pyro_proto::message::Verb;
use pyro_proto::message::agent_message::Body as Answer;
use pyro_proto::message::host_message::Body as Ask;

use crate::host::{self, Call, Failure, Host};

/// One entry, with the content of a file or the target of a link.
pub(crate) fn entry(kind: FileKind, path: &str, content: &str) -> (PutEntry, Bytes) {
    let content = Bytes::copy_from_slice(content.as_bytes());
    let is_link = matches!(kind, FileKind::Symlink | FileKind::HardLink);
    let entry = FileEntry {
        path: Bytes::copy_from_slice(path.as_bytes()),
        kind: kind.into(),
        mode: 0o755,
        modified_s: 1_000_000_000,
        target: if is_link { content.clone() } else { Bytes::new() },
        ..FileEntry::default()
    };
    let put = PutEntry {
        entry: Some(entry),
        ..PutEntry::default()
    };
    (put, content)
}

/// A file to put.
pub(crate) fn file(path: &str, content: &str) -> (PutEntry, Bytes) {
    entry(FileKind::File, path, content)
}

/// A deletion.
pub(crate) fn absent(path: &str) -> (PutEntry, Bytes) {
    entry(FileKind::Absent, path, "")
}

/// Sends all but the commit.
pub(crate) async fn send(host: &Host, dest: &str, entries: &[(PutEntry, Bytes)]) -> Result<Call, Failure> {
    let dest = Bytes::copy_from_slice(dest.as_bytes());
    let request = Ask::Put(Put { dest });
    let mut call = host.call(Verb::Put, Some(request), false).await?;
    for (put, content) in entries {
        let is_file = put
            .entry
            .as_ref()
            .is_some_and(|entry| entry.kind() == FileKind::File);
        host::say(&mut call.send, Ask::PutEntry(put.clone()), false).await?;
        if is_file {
            for chunk in content.chunks(pyro_proto::CHUNK_BYTES) {
                host::say(&mut call.send, Ask::Data(content.slice_ref(chunk)), false).await?;
            }
            host::say(&mut call.send, Ask::DataEnd(true), false).await?;
        }
    }
    Ok(call)
}

/// Puts entries, or is refused.
pub(crate) async fn try_put(
    host: &Host,
    dest: &str,
    entries: &[(PutEntry, Bytes)],
) -> Result<Answer, Failure> {
    let mut call = send(host, dest, entries).await?;
    let commit = Ask::PutCommit(PutCommit { dry_run: false });
    host::say(&mut call.send, commit, true).await?;
    call.answers.next().await?.ok_or_else(|| "no answer".into())
}

/// Puts entries.
pub(crate) async fn put_all(
    host: &Host,
    dest: &str,
    entries: &[(PutEntry, Bytes)],
) -> Result<PutResult, Failure> {
    match try_put(host, dest, entries).await? {
        Answer::PutResult(result) => Ok(result),
        other => Err(format!("not put: {other:?}").into()),
    }
}
