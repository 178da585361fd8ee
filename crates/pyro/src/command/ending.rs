//! How a command ended, as its caller sees it.

use pyro_proto::message::{Ended, Outcome};

use super::follow::End;
use crate::guest;
use crate::object::ExecOutcome;

/// The exit code of a command whose time was up.
const TIMED_OUT: i32 = 124;

/// The exit code of a command that the caller ended.
const CANCELLED: i32 = 130;

/// How a command ended, as the caller sees it.
#[derive(Debug)]
pub(crate) struct Ending {
    pub(crate) outcome: ExecOutcome,
    pub(crate) exit_code: i32,
    pub(crate) signal: Option<i32>,
    pub(crate) oom_killed: bool,
    pub(crate) duration_ms: u64,
    pub(crate) warning: Option<String>,
}

impl From<End> for Ending {
    fn from(end: End) -> Self {
        match end {
            End::Reported(ended) => Self::reported(&ended),
            End::Forced { cancelled } => Self {
                outcome: if cancelled {
                    ExecOutcome::Cancelled
                } else {
                    ExecOutcome::TimedOut
                },
                exit_code: if cancelled { CANCELLED } else { TIMED_OUT },
                signal: None,
                oom_killed: false,
                duration_ms: 0,
                warning: Some("the guest did not end the command in time, so its VM was ended".to_owned()),
            },
        }
    }
}

impl Ending {
    /// The command of a caller whose VM was ended on purpose, so long after it began.
    pub(crate) fn with_its_vm(duration_ms: u64) -> Self {
        Self {
            outcome: ExecOutcome::Cancelled,
            exit_code: CANCELLED,
            signal: None,
            oom_killed: false,
            duration_ms,
            warning: Some("the command was ended with its VM".to_owned()),
        }
    }

    fn reported(ended: &Ended) -> Self {
        let signal = (ended.signal > 0).then_some(ended.signal & 0x7f);
        // What the guest reports is its own word: bounded to what an exit status can be.
        let status = ended.status & 0xff;
        let (outcome, exit_code) = match Outcome::try_from(ended.outcome) {
            Ok(Outcome::Exited) => (ExecOutcome::Exited, status),
            Ok(Outcome::NotStarted) => (ExecOutcome::NotStarted, status),
            Ok(Outcome::TimedOut) => (ExecOutcome::TimedOut, TIMED_OUT),
            Ok(Outcome::Cancelled) => (ExecOutcome::Cancelled, CANCELLED),
            Ok(Outcome::Signaled | Outcome::Unknown) | Err(_) => {
                (ExecOutcome::Signaled, 128 + signal.unwrap_or(0))
            }
        };
        let warning = (!ended.message.is_empty()).then(|| guest::printable(&ended.message));
        Self {
            outcome,
            exit_code,
            signal,
            oom_killed: ended.oom_killed,
            duration_ms: ended.duration_us / 1000,
            warning,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(outcome: Outcome, status: i32, signal: i32) -> Ending {
        Ending::reported(&Ended {
            outcome: outcome as i32,
            status,
            signal,
            ..Ended::default()
        })
    }

    #[test]
    fn exit_codes_are_those_of_the_contract() {
        assert_eq!(ended(Outcome::Exited, 7, 0).exit_code, 7);
        assert_eq!(ended(Outcome::Signaled, 0, 9).exit_code, 137);
        assert_eq!(ended(Outcome::NotStarted, 127, 0).exit_code, 127);
        assert_eq!(ended(Outcome::TimedOut, 0, 15).exit_code, 124);
        assert_eq!(ended(Outcome::Cancelled, 0, 15).exit_code, 130);
    }

    #[test]
    fn a_lying_guest_gets_no_exit_code_out_of_range() {
        assert_eq!(ended(Outcome::Exited, 100_000, 0).exit_code, 100_000 & 0xff);
        assert_eq!(ended(Outcome::Exited, -1, 0).exit_code, 255);
        let odd = Ending::reported(&Ended {
            outcome: 99,
            signal: i32::MAX,
            ..Ended::default()
        });
        assert!((128..=255).contains(&odd.exit_code));
    }
}
