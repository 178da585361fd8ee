//! Files of a workspace.

use pyro::object::{FileList, FileRead, FileWrite};
use pyro::{Error, FileEncoding, FileRange, ListFilesRequest, ReadFileRequest, TreePath, WriteFileRequest};
use serde::Deserialize;

use super::{Request, workspace_of};
use crate::context::Context;
use crate::failure::CallError;
use crate::request::HostText;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct List {
    workspace_id: String,
    path: String,
    recursive: bool,
    limit: Option<u64>,
    page: Option<String>,
}

impl Request for List {
    type Output = FileList;

    async fn run(self, context: Context) -> Result<Self::Output, Error> {
        let mut list = ListFilesRequest::default();
        list.path = TreePath::parse_given(&self.path)?;
        list.recursive = self.recursive;
        list.limit = self.limit;
        list.page = self.page;
        workspace_of(&context.pyro, &self.workspace_id)?
            .list_files(&list)
            .await
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Read {
    workspace_id: String,
    path: String,
    max_bytes: u64,
    offset: u64,
    start_line: Option<u64>,
    line_count: Option<u64>,
    encoding: Encoding,
}

/// How the content is written in the result.
#[derive(Deserialize)]
enum Encoding {
    #[serde(rename = "auto")]
    Auto,
    #[serde(rename = "utf-8")]
    Utf8,
    #[serde(rename = "base64")]
    Base64,
}

impl Request for Read {
    type Output = FileRead;

    async fn run(self, context: Context) -> Result<Self::Output, Error> {
        let mut read = ReadFileRequest::new(TreePath::parse_given(&self.path)?);
        read.max_bytes = self.max_bytes;
        read.range = match (self.start_line, self.line_count) {
            (None, None) => FileRange::Bytes { offset: self.offset },
            _ if self.offset > 0 => {
                return Err(CallError::argument("offset", "cannot be given with lines").into());
            }
            (start, count) => FileRange::Lines {
                start: start.unwrap_or(1),
                count,
            },
        };
        read.encoding = match self.encoding {
            Encoding::Auto => FileEncoding::Auto,
            Encoding::Utf8 => FileEncoding::Utf8,
            Encoding::Base64 => FileEncoding::Base64,
        };
        workspace_of(&context.pyro, &self.workspace_id)?
            .read_file(&read)
            .await
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Write {
    workspace_id: String,
    path: String,
    text: HostText,
    append: bool,
    create_parents: bool,
    executable: Option<bool>,
}

impl Request for Write {
    type Output = FileWrite;

    async fn run(self, context: Context) -> Result<Self::Output, Error> {
        let path = TreePath::parse_given(&self.path)?;
        let mut write = WriteFileRequest::new(path, self.text.into_bytes());
        write.append = self.append;
        write.create_parents = self.create_parents;
        write.executable = self.executable;
        workspace_of(&context.pyro, &self.workspace_id)?
            .write_file(&write)
            .await
    }
}
