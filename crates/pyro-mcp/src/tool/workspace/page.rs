//! Where a page of the list of workspaces begins.
//!
//! The list is in order of use, which changes between two pages. A page begins after the last workspace of the one before:
//! what is used meanwhile moves to the front and is not shown again, and nothing is shown twice.

use std::cmp::Reverse;
use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use pyro::argument::InvalidArgument;

/// The place of a workspace in the list: the last used first, those used at the same time by their ids.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Page {
    last_used: Reverse<String>,
    workspace_id: String,
}

impl Page {
    /// The place of a workspace that was last used then, RFC 3339 UTC; empty if that is not known.
    pub(super) fn new(last_used: String, workspace_id: String) -> Self {
        Self {
            last_used: Reverse(last_used),
            workspace_id,
        }
    }

    /// Reads what a client sends back.
    pub(super) fn parse(text: &str) -> Result<Self, InvalidArgument> {
        let parts = || {
            let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
            let text = String::from_utf8(bytes).ok()?;
            let (last_used, workspace_id) = text.split_once(' ')?;
            Some(Self::new(last_used.to_owned(), workspace_id.to_owned()))
        };
        parts().ok_or_else(|| InvalidArgument::Malformed {
            name: "page",
            problem: "must be what next_page said",
            given: String::new(),
        })
    }
}

impl fmt::Display for Page {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{} {}", self.last_used.0, self.workspace_id);
        formatter.write_str(&BASE64_URL_SAFE_NO_PAD.encode(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(last_used: &str, workspace_id: &str) -> Page {
        Page::new(last_used.to_owned(), workspace_id.to_owned())
    }

    #[test]
    fn a_page_reads_back_and_anything_else_is_refused() {
        for page in [
            page("2026-11-01T10:00:00.000Z", "3f2a91c0d4e5"),
            page("", "3f2a91c0d4e5"),
        ] {
            assert_eq!(Page::parse(&page.to_string()), Ok(page));
        }
        for text in ["", "x", "!", "3f2a91c0d4e5"] {
            Page::parse(text).unwrap_err();
        }
    }

    #[test]
    fn the_last_used_come_first_and_those_never_used_last() {
        let mut pages = [page("", "1"), page("T1", "2"), page("T2", "4"), page("T2", "3")];
        pages.sort();
        let ids: Vec<_> = pages.iter().map(|page| page.workspace_id.as_str()).collect();
        assert_eq!(ids, ["3", "4", "2", "1"]);
    }
}
