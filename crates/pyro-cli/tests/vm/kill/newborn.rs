//! A workspace whose making was cut off.

use super::content::{Content, LOOK, Sources};
use crate::support::names;
use crate::workspace::Workspaces;

/// Fails unless the workspace `beta` is there with all of its seed, or there is nothing of it. It is deleted then.
pub(super) fn assert_whole_or_absent(
    home: &Workspaces,
    other: &str,
    sources: &Sources,
    done: bool,
    told: &str,
) {
    let ids = || {
        let names = names(&home.home().state().join("workspaces"));
        let others = names.into_iter().filter(|name| name.len() == 12 && name != other);
        others.collect::<Vec<_>>()
    };
    let before = ids();
    let state = super::state(home, "beta", told);
    if state == "workspace-not-found" {
        assert!(!done, "{told}: it was reported as made");
        assert_eq!(ids(), [""; 0], "{told}");
        for id in before {
            super::assert_nobody_in(home, &id, told);
        }
        return;
    }
    let found = Content::read(&super::look(home, "beta", LOOK, told));
    let seeded = sources.versions.iter().any(|source| source.shown == found.tree);
    assert!(seeded && found.patched.is_empty(), "{told}: it holds {found:?}");
    home.ok(&["delete", "beta"]);
    for id in before {
        super::assert_nobody_in(home, &id, told);
    }
}
