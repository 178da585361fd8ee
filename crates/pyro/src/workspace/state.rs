//! What becomes of a workspace whose process is gone: pure rules.

use jiff::{SignedDuration, Timestamp};

use super::kind::Kind;
use super::live::Live;
use super::record::{Record, State, StopReason};

/// What is true of the processes of a workspace at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Signs {
    /// Whether the process that does the work of a passing state lives.
    pub(crate) mover_lives: bool,
    /// Whether its supervisor lives.
    pub(crate) supervisor_lives: bool,
    /// Whether it was last changed in this boot of the host.
    pub(crate) same_boot: bool,
}

/// What has to be done about a workspace before anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settling {
    /// Nothing.
    Nothing,
    /// It was never started after all.
    Created,
    /// It has no VM any more.
    Stopped(StopReason),
    /// Nobody finishes it: it is to be removed.
    Remove,
}

/// Decides what a workspace is, whatever its record says of processes that are gone.
pub(crate) fn settle(record: &Record, signs: Signs) -> Settling {
    let lost = if signs.same_boot {
        StopReason::SupervisorLost
    } else {
        StopReason::HostRestarted
    };
    match record.state {
        State::Created | State::Stopped | State::Damaged => Settling::Nothing,
        State::Started if signs.supervisor_lives => Settling::Nothing,
        State::Started | State::Stopping
            if record.is_spent && !signs.mover_lives && !signs.supervisor_lives =>
        {
            Settling::Remove
        }
        State::Started => Settling::Stopped(lost),
        // A supervisor that lives finishes what it began.
        State::Creating | State::Deleting if signs.mover_lives => Settling::Nothing,
        State::Creating | State::Deleting => Settling::Remove,
        State::Starting | State::Stopping | State::Resetting
            if signs.mover_lives || signs.supervisor_lives =>
        {
            Settling::Nothing
        }
        // A stop that was asked for is done once no VM is left.
        State::Stopping => Settling::Stopped(record.stop_reason.unwrap_or(lost)),
        // The state before is that without a VM, as that died with its supervisor.
        State::Starting | State::Resetting => match record.mover.as_ref().map(|mover| mover.before) {
            Some(State::Created) => Settling::Created,
            Some(State::Stopped) => Settling::Stopped(record.stop_reason.unwrap_or(lost)),
            _ => Settling::Stopped(lost),
        },
    }
}

/// Whether an operation that needs the guest may start a workspace that is stopped.
pub(crate) fn starts_by_itself(reason: Option<StopReason>) -> bool {
    reason != Some(StopReason::Requested)
}

/// Whether what is recorded goes with its VM, which is ended for that reason.
pub(crate) fn ends_for_good(record: &Record, reason: StopReason) -> bool {
    let wanted = record.state == State::Deleting || reason == StopReason::TtlExpired;
    record.kind == Kind::Vm && (record.is_spent || wanted)
}

/// When a one-shot VM is deleted if nobody uses it; `None` while something runs in it.
pub(crate) fn vm_expires_at(record: &Record, live: Option<&Live>) -> Option<Timestamp> {
    let last = match live {
        Some(live) if live.busy > 0 => return None,
        Some(live) => live.last_activity_at.max(record.last_activity_at),
        None => record.last_activity_at,
    };
    let ttl = SignedDuration::from_secs(record.ttl_seconds.try_into().ok()?);
    last.checked_add(ttl).ok()
}

/// Since when a one-shot VM is to be gone, if it is and has no supervisor that sees to it.
pub(crate) fn overdue_since(record: &Record, live: Option<&Live>, now: Timestamp) -> Option<Timestamp> {
    let waits = record.kind == Kind::Vm && matches!(record.state, State::Created | State::Stopped);
    let expired_at = vm_expires_at(record, live)?;
    (waits && live.is_none() && expired_at <= now).then_some(expired_at)
}

#[cfg(test)]
mod tests {
    use super::super::record::Mover;
    use super::super::record::tests::record;
    use super::*;
    use crate::process::ProcessIdentity;

    const DEAD: Signs = Signs {
        mover_lives: false,
        supervisor_lives: false,
        same_boot: true,
    };

    fn in_state(state: State, before: State, reason: Option<StopReason>) -> Record {
        Record {
            state,
            stop_reason: reason,
            mover: Some(Mover {
                process: ProcessIdentity { pid: 1, start: 1 },
                boot: String::new(),
                since: Timestamp::UNIX_EPOCH,
                before,
            }),
            ..record()
        }
    }

    #[test]
    fn what_nobody_finishes_is_undone() {
        let cases = [
            (State::Creating, State::Creating, None, Settling::Remove),
            (State::Deleting, State::Stopped, None, Settling::Remove),
            (
                State::Started,
                State::Started,
                None,
                Settling::Stopped(StopReason::SupervisorLost),
            ),
            (
                State::Starting,
                State::Stopped,
                Some(StopReason::Requested),
                Settling::Stopped(StopReason::Requested),
            ),
            (
                State::Stopping,
                State::Started,
                Some(StopReason::TtlExpired),
                Settling::Stopped(StopReason::TtlExpired),
            ),
            (
                State::Resetting,
                State::Started,
                None,
                Settling::Stopped(StopReason::SupervisorLost),
            ),
            (
                State::Resetting,
                State::Stopped,
                Some(StopReason::Requested),
                Settling::Stopped(StopReason::Requested),
            ),
            (
                State::Stopped,
                State::Stopped,
                Some(StopReason::Requested),
                Settling::Nothing,
            ),
        ];
        for (state, before, reason, expected) in cases {
            let record = in_state(state, before, reason);
            assert_eq!(settle(&record, DEAD), expected, "{state:?} after {before:?}");
        }
    }

    #[test]
    fn what_somebody_works_on_is_left_alone() {
        for state in [
            State::Creating,
            State::Starting,
            State::Started,
            State::Stopping,
            State::Resetting,
            State::Deleting,
        ] {
            let record = in_state(state, State::Started, None);
            let signs = Signs {
                mover_lives: true,
                supervisor_lives: true,
                ..DEAD
            };
            assert_eq!(settle(&record, signs), Settling::Nothing, "{state:?}");
        }
    }

    #[test]
    fn a_host_that_was_started_anew_is_the_reason() {
        let record = in_state(State::Started, State::Started, None);
        let signs = Signs {
            same_boot: false,
            ..DEAD
        };
        assert_eq!(
            settle(&record, signs),
            Settling::Stopped(StopReason::HostRestarted)
        );
    }

    #[test]
    fn only_a_requested_stop_lasts() {
        assert!(!starts_by_itself(Some(StopReason::Requested)));
        assert!(starts_by_itself(Some(StopReason::TtlExpired)));
        assert!(starts_by_itself(None));
    }

    fn vm(state: State) -> Record {
        Record {
            kind: Kind::Vm,
            ttl_seconds: 60,
            ..in_state(state, State::Created, None)
        }
    }

    #[test]
    fn a_vm_that_did_not_start_is_as_it_was() {
        assert_eq!(settle(&vm(State::Starting), DEAD), Settling::Created);
        assert_eq!(settle(&vm(State::Created), DEAD), Settling::Nothing);
        let again = in_state(State::Starting, State::Stopped, Some(StopReason::Requested));
        let expected = Settling::Stopped(StopReason::Requested);
        assert_eq!(settle(&again, DEAD), expected);
    }

    #[test]
    fn a_vm_whose_command_began_is_gone_with_its_supervisor() {
        for state in [State::Started, State::Stopping] {
            let spent = Record {
                is_spent: true,
                mover: None,
                ..vm(state)
            };
            assert_eq!(settle(&spent, DEAD), Settling::Remove, "{state:?}");
            let signs = Signs {
                supervisor_lives: true,
                ..DEAD
            };
            assert_eq!(settle(&spent, signs), Settling::Nothing, "{state:?}");
        }
        let unused = Record {
            mover: None,
            ..vm(State::Started)
        };
        let expected = Settling::Stopped(StopReason::SupervisorLost);
        assert_eq!(settle(&unused, DEAD), expected);
    }

    #[test]
    fn a_vm_goes_when_its_time_is_over_or_its_command_ended_and_a_workspace_never_does() {
        let spent = Record {
            is_spent: true,
            ..vm(State::Started)
        };
        assert!(ends_for_good(&vm(State::Started), StopReason::TtlExpired));
        assert!(ends_for_good(&vm(State::Deleting), StopReason::Requested));
        assert!(ends_for_good(&spent, StopReason::GuestExited));
        assert!(!ends_for_good(&vm(State::Started), StopReason::Requested));
        assert!(!ends_for_good(&vm(State::Started), StopReason::GuestExited));
        for state in [State::Started, State::Deleting] {
            let workspace = in_state(state, State::Started, None);
            assert!(!ends_for_good(&workspace, StopReason::TtlExpired), "{state:?}");
        }
    }

    #[test]
    fn a_vm_without_supervisor_is_overdue_from_its_time_on() {
        let live = |busy, used| Live {
            supervisor: ProcessIdentity { pid: 1, start: 1 },
            boot: String::new(),
            vm: None,
            last_activity_at: at(used),
            busy,
        };
        for state in [State::Created, State::Stopped] {
            assert_eq!(overdue_since(&vm(state), None, at(59)), None);
            assert_eq!(overdue_since(&vm(state), None, at(60)), Some(at(60)));
            // Its supervisor is about to end, and says what becomes of it.
            assert_eq!(overdue_since(&vm(state), Some(&live(0, 0)), at(100)), None);
        }
        assert_eq!(overdue_since(&vm(State::Starting), None, at(100)), None);
        let workspace = in_state(State::Stopped, State::Stopped, Some(StopReason::Requested));
        assert_eq!(overdue_since(&workspace, None, at(1_000_000)), None);
        assert_eq!(
            vm_expires_at(&vm(State::Started), Some(&live(0, 30))),
            Some(at(90))
        );
        assert_eq!(vm_expires_at(&vm(State::Started), Some(&live(1, 30))), None);
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }
}
