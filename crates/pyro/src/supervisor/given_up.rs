//! A start whose caller no longer waits for it, and lives on.
//!
//! A record in a passing state is believed for as long as the process that moves it lives. A server whose client cancelled
//! a start does, so nobody but the supervisor can say that nothing will come of it.

use super::Order;
use crate::id::WorkspaceId;
use crate::workspace::{Mover, State, Store};

/// The start that a supervisor was asked for, as it was when that began.
#[derive(Debug)]
pub(super) struct Asked {
    store: Store,
    id: WorkspaceId,
    mover: Option<Mover>,
}

impl Asked {
    /// What is recorded of the start that is ordered.
    pub(super) fn of(order: &Order) -> Self {
        let store = Store::of(order.kind, &order.settings().home);
        let id = order.workspace_id;
        let record = store.read(id).ok();
        Self {
            store,
            id,
            mover: record.and_then(|record| record.mover),
        }
    }

    /// Returns what was to start to the state before, unless somebody else has moved it meanwhile. To be called once no
    /// VM of it is left.
    pub(super) fn give_up(&self) {
        let returned = self.store.update(self.id, |record| {
            // What is being created is removed by whoever creates it.
            let is_start = matches!(record.state, State::Starting | State::Resetting);
            if is_start
                && record.mover == self.mover
                && let Some(mover) = record.mover.take()
            {
                record.state = mover.before;
            }
            Ok(())
        });
        if let Err(error) = returned {
            tracing::debug!(%error, "a start that was given up is not taken back");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;
    use crate::supervisor::Task;
    use crate::workspace::{Kind, vm_record};

    #[test]
    fn a_start_that_is_given_up_is_as_if_it_had_not_begun() {
        let home = tempfile::tempdir().unwrap();
        let settings = Settings::new(home.path(), home.path().join("cache"));
        let store = Store::of(Kind::Vm, home.path());
        for (state, is_moved_again, expected) in [
            (State::Starting, false, State::Created),
            (State::Resetting, false, State::Created),
            (State::Starting, true, State::Starting),
            (State::Creating, false, State::Creating),
            (State::Deleting, false, State::Deleting),
        ] {
            let id = crate::id::VmId::random();
            let mut record = vm_record(id, jiff::Timestamp::now());
            record.state = state;
            record.mover = Some(Mover::own(State::Created).unwrap());
            store.create(&record).unwrap();
            let asked = Asked::of(&Order::new(&settings, (Kind::Vm, id), Task::Create));
            if is_moved_again {
                let again = |record: &mut crate::workspace::Record| {
                    record.mover = Some(Mover {
                        since: jiff::Timestamp::UNIX_EPOCH,
                        ..Mover::own(State::Created)?
                    });
                    Ok(())
                };
                store.update(id, again).unwrap();
            }
            asked.give_up();
            let record = store.read(id).unwrap();
            assert_eq!(record.state, expected, "{state:?}");
            assert_eq!(record.mover.is_none(), expected == State::Created, "{state:?}");
        }
    }
}
