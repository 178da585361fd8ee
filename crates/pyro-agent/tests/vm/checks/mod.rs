//! The claims. Each leaves the machine as usable as before, unless it is the last one that its machine stands.

pub(crate) mod changes;
pub(crate) mod commands;
pub(crate) mod files;
pub(crate) mod outage;
pub(crate) mod plain;
pub(crate) mod processes;
pub(crate) mod puts;
pub(crate) mod root;
pub(crate) mod seed;
pub(crate) mod streams;

use std::pin::Pin;
use std::time::Duration;

use crate::calls::{
    argv, configuration, configure, ensure, new_id, output, refusal, send_signal, shell, text,
};
use crate::host::Failure;
use crate::machine::Machine;

/// Holds a machine to a claim, and gives what it measured.
pub(crate) type Check = fn(&mut Machine) -> Pin<Box<dyn Future<Output = Result<String, Failure>> + '_>>;

/// Checks with their names.
macro_rules! checks {
    ($($module:ident :: $name:ident),* $(,)?) => {
        &[$({
            let check: Check = |machine| Box::pin($module::$name(machine));
            (stringify!($name), check)
        }),*]
    };
}

pub(crate) use checks;

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
