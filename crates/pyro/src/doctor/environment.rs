//! Whether an environment is installed and sound.

use serde_json::{Value, json};

use super::finding::{fail, pass, warn};
use crate::Pyro;
use crate::error::ErrorCode;
use crate::object::{DoctorCheck, EnvironmentInfo, EnvironmentState};

const ID: &str = "environment";

/// Verifies one environment in full. Reaches no network.
pub(super) async fn look(pyro: &Pyro, name: &str) -> (DoctorCheck, Value) {
    match pyro.environments().verify(name).await {
        Ok(info) => {
            let check = judge(name, &info);
            (check, json!(info))
        }
        Err(error) => {
            let fix = error.hint().unwrap_or_else(|| match error.code() {
                ErrorCode::EnvironmentNotFound => "see `pyro env list`".to_owned(),
                _ => format!("fetch it again: `pyro env pull {} --force`", word(name)),
            });
            let value = json!({"name": name, "error": error.to_json()});
            (fail(ID, error.message(), fix), value)
        }
    }
}

fn judge(name: &str, info: &EnvironmentInfo) -> DoctorCheck {
    let pull = format!("`pyro env pull {}`", word(name));
    match info.state {
        EnvironmentState::Cold | EnvironmentState::Warm => {
            pass(ID, format!("`{name}` is installed, and is what its digest says"))
        }
        EnvironmentState::Absent => warn(
            ID,
            format!("`{name}` is not installed yet"),
            format!("fetch it: {pull}"),
        ),
        EnvironmentState::Stale => warn(
            ID,
            format!("`{name}` was made by another version"),
            format!("fetch it again: {pull}"),
        ),
        EnvironmentState::Corrupt => fail(
            ID,
            format!("`{name}` differs from its digest"),
            format!("fetch it again: `pyro env pull {} --force`", word(name)),
        ),
    }
}

fn word(name: &str) -> String {
    shell_words::quote(name).into_owned()
}
