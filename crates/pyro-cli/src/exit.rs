//! The exit statuses of the contract.

use std::process::ExitCode;

use pyro::object::{DoctorReport, Status};

/// pyro could not do it.
pub(crate) const FAILED: u8 = 125;

/// How a command that did not fail ends the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It did what was asked.
    Done,
    /// The question was answered, and the answer is no.
    AnswerIsNo,
    /// With the status of a guest's command.
    Guest(u8),
}

impl Exit {
    /// The status for the end of a guest's command.
    pub(crate) fn of_guest(exit_code: Option<i32>) -> Self {
        Self::Guest(
            exit_code
                .and_then(|code| u8::try_from(code).ok())
                .unwrap_or(FAILED),
        )
    }

    /// The status for a question whose answer is yes or no.
    pub(crate) fn of_answer(is_yes: bool) -> Self {
        if is_yes { Self::Done } else { Self::AnswerIsNo }
    }

    /// The status for what doctor found.
    pub(crate) fn of_report(report: &DoctorReport) -> Self {
        match report.status {
            Status::Pass | Status::Warn => Self::Done,
            Status::Fail => Self::AnswerIsNo,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Done => Self::SUCCESS,
            Exit::AnswerIsNo => Self::from(1),
            Exit::Guest(status) => Self::from(status),
        }
    }
}
