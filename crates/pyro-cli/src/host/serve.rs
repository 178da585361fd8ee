//! The arguments by which a host starts pyro: whether this pyro takes them, and what of them can be kept.

use super::entry::Entry;
use crate::command;

/// Why this pyro would not serve with arguments; nothing if it would.
pub(crate) fn refusal(args: &[String]) -> Option<String> {
    command::refusal_of_serve(args)
}

/// The arguments of an entry that this pyro takes, in their order.
pub(crate) fn kept(entry: &Entry) -> Vec<String> {
    if refusal(&entry.args).is_none() {
        return entry.args.clone();
    }
    let mut kept = vec!["mcp".to_owned(), "serve".to_owned()];
    let mut rest = entry.args.as_slice();
    while let Some((word, after)) = rest.split_first() {
        rest = after;
        if !word.starts_with('-') {
            continue;
        }
        // An option with the word after it as its value, or alone.
        let pair = after.first().filter(|value| !value.starts_with('-'));
        let with_value = pair.map(|value| vec![word.clone(), value.clone()]);
        for option in with_value.into_iter().chain([vec![word.clone()]]) {
            let tried = [kept.as_slice(), option.as_slice()].concat();
            if refusal(&tried).is_none() {
                kept = tried;
                break;
            }
        }
    }
    kept
}
