//! `list-files`.

use pyro_proto::file::{FileEntry, ListFiles};
use pyro_proto::message::agent_message::Body as Answer;
use pyro_proto::message::host_message::Body as Ask;

use super::Opened;
use super::answer::{answer, ask, below, check_entry, nonsense};
use crate::guest::GuestError;

/// How much a list without a limit may amount to, in bytes: some four million entries.
const MAX_BYTES: usize = 512 * 1024 * 1024;

/// A page of a list.
#[derive(Debug)]
pub(crate) struct Listed {
    /// The entries, in the order of their paths.
    pub(crate) entries: Vec<FileEntry>,
    /// Whether there are more behind the last.
    pub(crate) more: bool,
}

/// Lists a directory.
///
/// # Errors
/// [`GuestError`] if the agent refused, broke the protocol, or the connection broke.
pub(crate) async fn list_files(call: Opened, request: ListFiles) -> Result<Listed, GuestError> {
    let (mut sender, mut receiver) = call;
    ask(&mut sender, Ask::ListFiles(request.clone())).await?;
    sender.finish()?;
    let limit = match request.limit {
        0 => usize::MAX,
        limit => usize::try_from(limit).unwrap_or(usize::MAX),
    };
    let mut entries = Vec::new();
    let mut bytes = 0;
    loop {
        match answer(&mut receiver).await? {
            Answer::FileEntries(some) => {
                for entry in some.entries {
                    check(&request, &entry)?;
                    bytes += size_of::<FileEntry>() + entry.path.len() + entry.target.len();
                    if entries.len() == limit || bytes > MAX_BYTES {
                        return Err(nonsense("a list is longer than was asked for"));
                    }
                    entries.push(entry);
                }
            }
            Answer::ListEnd(end) if end.more && entries.len() != limit => {
                return Err(nonsense("a list ends before it was to"));
            }
            Answer::ListEnd(end) => {
                return Ok(Listed {
                    entries,
                    more: end.more,
                });
            }
            _ => return Err(nonsense("a list has other answers in it")),
        }
    }
}

fn check(request: &ListFiles, entry: &FileEntry) -> Result<(), GuestError> {
    check_entry(entry)?;
    match below(&request.path, &entry.path) {
        Some(below) if request.recursive || !below.contains(&b'/') => Ok(()),
        _ => Err(nonsense("a list has what is elsewhere")),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use pyro_proto::file::{FileEntries, FileKind, ListEnd};
    use pyro_proto::message::{Fault, FaultKind};

    use super::super::answer::agent_that_says;
    use super::*;

    fn file(path: &'static str) -> FileEntry {
        FileEntry {
            path: Bytes::from_static(path.as_bytes()),
            kind: FileKind::File.into(),
            mode: 0o644,
            ..FileEntry::default()
        }
    }

    async fn list(
        recursive: bool,
        limit: u64,
        entries: Vec<FileEntry>,
        more: bool,
    ) -> Result<Listed, GuestError> {
        let answers = vec![
            Answer::FileEntries(FileEntries { entries }),
            Answer::ListEnd(ListEnd { more }),
        ];
        let request = ListFiles {
            path: Bytes::from_static(b"dir"),
            recursive,
            limit,
            after: Bytes::new(),
        };
        list_files(agent_that_says(answers), request).await
    }

    #[tokio::test]
    async fn a_page_is_taken_as_it_was_asked_for() {
        let listed = list(true, 2, vec![file("dir/a"), file("dir/a/b")], true)
            .await
            .unwrap();
        assert_eq!((listed.entries.len(), listed.more), (2, true));
        let listed = list(false, 0, vec![file("dir/a")], false).await.unwrap();
        assert_eq!((listed.entries.len(), listed.more), (1, false));
    }

    #[tokio::test]
    async fn what_was_not_asked_for_is_refused() {
        let link = FileEntry {
            kind: FileKind::Symlink.into(),
            ..file("dir/link")
        };
        let late = FileEntry {
            modified_ns: 1_000_000_000,
            ..file("dir/late")
        };
        let absent = FileEntry {
            kind: 0,
            ..file("dir/absent")
        };
        for (recursive, limit, entries, more) in [
            (true, 1, vec![file("dir/a"), file("dir/b")], false),
            (true, 2, vec![file("dir/a")], true),
            (true, 0, vec![file("dir/a")], true),
            (false, 0, vec![file("dir/a/b")], false),
            (true, 0, vec![file("other/a")], false),
            (true, 0, vec![file("dir/../../etc")], false),
            (true, 0, vec![file("dir")], false),
            (true, 0, vec![link], false),
            (true, 0, vec![late], false),
            (true, 0, vec![absent], false),
        ] {
            let shown = format!("{entries:?}");
            let error = list(recursive, limit, entries, more).await.unwrap_err();
            assert!(matches!(error, GuestError::Nonsense { .. }), "{shown}: {error}");
        }
    }

    #[tokio::test]
    async fn a_refusal_is_told_and_an_end_before_the_end_is_a_loss() {
        let fault = Fault {
            kind: FaultKind::PathNotFound.into(),
            message: "no `/workspace/\u{1b}[31mdir`".to_owned(),
        };
        let refused = list_files(agent_that_says(vec![Answer::Fault(fault)]), ListFiles::default()).await;
        let Err(GuestError::Refused(fault)) = refused else {
            panic!("not refused")
        };
        assert_eq!(fault.message, "no `/workspace/[31mdir`");
        let lost = list_files(agent_that_says(vec![]), ListFiles::default()).await;
        assert!(matches!(lost, Err(GuestError::Broken(_))));
    }
}
