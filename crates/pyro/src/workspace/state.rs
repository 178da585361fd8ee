//! What becomes of a workspace whose process is gone: pure rules.

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
        State::Stopped | State::Damaged => Settling::Nothing,
        State::Started if signs.supervisor_lives => Settling::Nothing,
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
        State::Starting | State::Resetting => Settling::Stopped(match record.mover.as_ref() {
            Some(mover) if mover.before == State::Stopped => record.stop_reason.unwrap_or(lost),
            _ => lost,
        }),
    }
}

/// Whether an operation that needs the guest may start a workspace that is stopped.
pub(crate) fn starts_by_itself(reason: Option<StopReason>) -> bool {
    reason != Some(StopReason::Requested)
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
                since: jiff::Timestamp::UNIX_EPOCH,
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
}
