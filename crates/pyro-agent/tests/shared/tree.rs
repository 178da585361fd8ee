//! The host's calls about the workspace's tree.

use bytes::Bytes;
use pyro_proto::file::{FileEntry, FileWritten, ListFiles, ReadEnd, ReadFile, WriteFile};
use pyro_proto::message::agent_message::Body as Answer;
use pyro_proto::message::host_message::Body as Ask;
use pyro_proto::message::{FaultKind, Verb};

use crate::calls::text;
use crate::host::{self, Failure, Host};

/// A path in a request.
pub(crate) fn bytes(path: &str) -> Bytes {
    Bytes::copy_from_slice(path.as_bytes())
}

/// A page of a list, and whether there is more.
pub(crate) async fn list(host: &Host, request: ListFiles) -> Result<(Vec<FileEntry>, bool), Failure> {
    let mut call = host
        .call(Verb::ListFiles, Some(Ask::ListFiles(request)), true)
        .await?;
    let mut entries = Vec::new();
    loop {
        match call.answers.next().await?.ok_or("the list has no end")? {
            Answer::FileEntries(some) => entries.extend(some.entries),
            Answer::ListEnd(end) => return Ok((entries, end.more)),
            other => return Err(format!("no list: {other:?}").into()),
        }
    }
}

/// All paths of the tree, in their order.
pub(crate) async fn all(host: &Host) -> Result<String, Failure> {
    let request = ListFiles {
        recursive: true,
        ..ListFiles::default()
    };
    let (entries, _) = list(host, request).await?;
    let paths: Vec<&str> = entries.iter().map(|entry| text(&entry.path)).collect();
    Ok(paths.join(" "))
}

/// A part of a file.
pub(crate) async fn read(host: &Host, request: ReadFile) -> Result<(FileEntry, Vec<u8>, ReadEnd), Failure> {
    let mut call = host
        .call(Verb::ReadFile, Some(Ask::ReadFile(request)), true)
        .await?;
    let Some(Answer::FileEntry(entry)) = call.answers.next().await? else {
        return Err("no entry".into());
    };
    let mut content = Vec::new();
    loop {
        match call.answers.next().await?.ok_or("the part has no end")? {
            Answer::Data(data) => content.extend_from_slice(&data),
            Answer::ReadEnd(end) => return Ok((entry, content, end)),
            other => return Err(format!("no part: {other:?}").into()),
        }
    }
}

/// All of a short file.
pub(crate) async fn content(host: &Host, path: &str) -> Result<String, Failure> {
    let request = ReadFile {
        path: bytes(path),
        max_bytes: 1 << 20,
        ..ReadFile::default()
    };
    let (_, content, _) = read(host, request).await?;
    Ok(String::from_utf8(content)?)
}

/// Writes a file, or is refused.
pub(crate) async fn try_write(host: &Host, request: WriteFile, content: &[u8]) -> Result<Answer, Failure> {
    let mut call = host
        .call(Verb::WriteFile, Some(Ask::WriteFile(request)), false)
        .await?;
    for chunk in content.chunks(pyro_proto::CHUNK_BYTES) {
        let data = Ask::Data(Bytes::copy_from_slice(chunk));
        host::say(&mut call.send, data, false).await?;
    }
    host::say(&mut call.send, Ask::DataEnd(true), true).await?;
    call.answers.next().await?.ok_or_else(|| "no answer".into())
}

/// Writes a file.
pub(crate) async fn write(host: &Host, request: WriteFile, content: &[u8]) -> Result<FileWritten, Failure> {
    match try_write(host, request, content).await? {
        Answer::FileWritten(written) => Ok(written),
        other => Err(format!("not written: {other:?}").into()),
    }
}

/// The whole of a file, and directories as needed.
pub(crate) fn to(path: &str) -> WriteFile {
    WriteFile {
        path: bytes(path),
        create_parents: true,
        ..WriteFile::default()
    }
}

/// The kind of a refusal.
pub(crate) fn refusal(answer: Answer) -> Result<FaultKind, Failure> {
    match answer {
        Answer::Fault(fault) => Ok(fault.kind()),
        other => Err(format!("not refused: {other:?}").into()),
    }
}

/// The kind of refusal with which a file is not read.
pub(crate) async fn unreadable(host: &Host, path: &str) -> Result<FaultKind, Failure> {
    let request = ReadFile {
        path: bytes(path),
        max_bytes: 1,
        ..ReadFile::default()
    };
    refusal(host.ask(Verb::ReadFile, Some(Ask::ReadFile(request))).await?)
}
