//! What a check found, and what follows from all of them.

use crate::object::{DoctorCheck, DoctorIssue, Severity, Status};

/// It is as it should be.
pub(super) fn pass(id: &str, summary: impl Into<String>) -> DoctorCheck {
    DoctorCheck {
        id: id.to_owned(),
        status: Status::Pass,
        summary: summary.into(),
        fix: None,
    }
}

/// pyro works, with less than it could have.
pub(super) fn warn(id: &str, summary: impl Into<String>, fix: impl Into<String>) -> DoctorCheck {
    DoctorCheck {
        id: id.to_owned(),
        status: Status::Warn,
        summary: summary.into(),
        fix: Some(fix.into()),
    }
}

/// Something does not work.
pub(super) fn fail(id: &str, summary: impl Into<String>, fix: impl Into<String>) -> DoctorCheck {
    DoctorCheck {
        status: Status::Fail,
        ..warn(id, summary, fix)
    }
}

/// The worst status of all.
pub(super) fn worst(checks: &[DoctorCheck]) -> Status {
    checks
        .iter()
        .map(|check| check.status)
        .max()
        .unwrap_or(Status::Pass)
}

/// What needs doing, the worst first.
pub(super) fn issues(checks: &[DoctorCheck]) -> Vec<DoctorIssue> {
    let of = |status: Status, severity: Severity| {
        checks
            .iter()
            .filter(move |check| check.status == status)
            .map(move |check| DoctorIssue {
                id: check.id.clone(),
                severity,
                message: check.summary.clone(),
                fix: check.fix.clone().unwrap_or_default(),
            })
    };
    of(Status::Fail, Severity::Error)
        .chain(of(Status::Warn, Severity::Warning))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_check_decides_and_leads_the_issues() {
        let checks = [
            pass("a", "fine"),
            warn("b", "so so", "`b`"),
            fail("c", "bad", "`c`"),
        ];
        assert_eq!(worst(&checks), Status::Fail);
        assert_eq!(worst(&checks[..2]), Status::Warn);
        assert_eq!(worst(&[]), Status::Pass);
        let ids: Vec<_> = issues(&checks).into_iter().map(|issue| issue.id).collect();
        assert_eq!(ids, ["c", "b"]);
    }
}
