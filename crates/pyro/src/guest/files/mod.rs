//! The files of a workspace, asked of the agent. What it answers is checked as hostile.

mod answer;
mod changes;
mod export;
mod list;
mod put;
mod read;
mod write;

pub(crate) use self::changes::{ChangesCall, Fetched};
pub(crate) use self::export::ExportCall;
pub(crate) use self::list::list_files;
pub(crate) use self::put::PutCall;
pub(crate) use self::read::read_file;
pub(crate) use self::write::write_file;
use super::{CallReceiver, CallSender};

/// A call that was opened for a verb, with nothing sent on it yet.
pub(crate) type Opened = (CallSender, CallReceiver);
