//! The host's calls about what differs from the seed, and about what is sent of the tree.

use bytes::Bytes;
use pyro_proto::file::{Changes, Export, Fetch, FileChange, FileEntry, FileKind};
use pyro_proto::message::Verb;
use pyro_proto::message::agent_message::Body as Answer;
use pyro_proto::message::host_message::Body as Ask;

use crate::calls::text;
use crate::host::{self, Call, Failure, Host};

/// Begins a comparison, and gives the changes.
async fn begin(host: &Host, within: &str) -> Result<(Call, Vec<FileChange>), Failure> {
    let path = Bytes::copy_from_slice(within.as_bytes());
    let request = Ask::Changes(Changes { path });
    let mut call = host.call(Verb::Changes, Some(request), false).await?;
    let mut changes = Vec::new();
    loop {
        match call.answers.next().await?.ok_or("the comparison has no end")? {
            Answer::FileChanges(some) => changes.extend(some.changes),
            Answer::Done(_) => return Ok((call, changes)),
            other => return Err(format!("no comparison: {other:?}").into()),
        }
    }
}

/// The changes, a word each: `+` is new, `-` is gone, `~` is another kind of file, `*` is changed.
pub(crate) async fn compare(host: &Host, within: &str) -> Result<String, Failure> {
    let (_, changes) = begin(host, within).await?;
    let words = changes.iter().map(|change| {
        let sign = match (&change.old, &change.new) {
            (None, _) => '+',
            (_, None) => '-',
            (Some(old), Some(new)) if old.kind != new.kind => '~',
            _ => '*',
        };
        format!("{sign}{}", text(&change.path))
    });
    Ok(words.collect::<Vec<_>>().join(" "))
}

/// Fetches one side of a path.
pub(crate) async fn fetch(
    call: &mut Call,
    path: &str,
    old: bool,
) -> Result<(FileEntry, Option<Vec<u8>>), Failure> {
    let wanted = Fetch {
        path: Bytes::copy_from_slice(path.as_bytes()),
        old,
        max_bytes: 1 << 20,
    };
    host::say(&mut call.send, Ask::Fetch(wanted), false).await?;
    let Some(Answer::FileEntry(entry)) = call.answers.next().await? else {
        return Err("no entry".into());
    };
    if entry.kind() != FileKind::File || entry.size > 1 << 20 {
        return Ok((entry, None));
    }
    let mut content = Vec::new();
    loop {
        match call.answers.next().await?.ok_or("the content has no end")? {
            Answer::Data(data) => content.extend_from_slice(&data),
            Answer::DataEnd(_) => return Ok((entry, Some(content))),
            other => return Err(format!("no content: {other:?}").into()),
        }
    }
}

/// Begins to fetch.
pub(crate) async fn begin_to_fetch(host: &Host) -> Result<Call, Failure> {
    Ok(begin(host, "nothing").await?.0)
}

/// All that is sent of a path, with the contents of files.
pub(crate) async fn export(host: &Host, path: &str) -> Result<String, Failure> {
    let path = Bytes::copy_from_slice(path.as_bytes());
    let request = Ask::Export(Export { path });
    let mut call = host.call(Verb::Export, Some(request), true).await?;
    let mut lines: Vec<String> = Vec::new();
    loop {
        match call.answers.next().await?.ok_or("the export has no end")? {
            Answer::FileEntry(entry) => lines.push(format!("{:?} {}", entry.kind(), text(&entry.path))),
            Answer::Data(data) => {
                if let Some(line) = lines.last_mut() {
                    line.push('=');
                    line.push_str(text(&data));
                }
            }
            Answer::DataEnd(_) => {}
            Answer::Done(_) => return Ok(lines.join(",")),
            other => return Err(format!("no export: {other:?}").into()),
        }
    }
}
