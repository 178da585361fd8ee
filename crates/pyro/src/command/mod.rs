//! One command in a guest: what is asked, how it is followed and ended, how it ended.

mod control;
mod ending;
mod feed;
mod follow;
mod shell;
mod signal;
mod stdin;
mod talk;
mod wanted;
mod words;

use std::time::Duration;

pub use self::control::RunControl;
pub(crate) use self::control::{Wish, WishReceiver, Wishes, channel};
pub(crate) use self::ending::Ending;
pub(crate) use self::follow::{End, Follower};
pub use self::signal::Signal;
pub use self::stdin::Stdin;
pub(crate) use self::wanted::Wanted;
pub use self::words::Command;

/// Whole milliseconds.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
