//! Whether an environment is installed and sound.

use serde_json::{Value, json};

use super::finding::{fail, pass, warn};
use crate::Pyro;
use crate::error::ErrorCode;
use crate::object::{DoctorCheck, EnvironmentInfo, EnvironmentState};

const ID: &str = "environment";

/// Checks one environment. Reaches no network.
pub(super) async fn look(pyro: &Pyro, name: &str) -> (DoctorCheck, Value) {
    let (environments, asked) = (pyro.environments(), name.to_owned());
    let inspected = tokio::task::spawn_blocking(move || environments.inspect(&asked)).await;
    match inspected {
        Ok(Ok(info)) => {
            let check = judge(name, &info);
            (check, json!(info))
        }
        Ok(Err(error)) => {
            let fix = error.hint().unwrap_or_else(|| match error.code() {
                ErrorCode::EnvironmentNotFound => "see `pyro env list`".to_owned(),
                _ => format!("fetch it again: `pyro env pull {} --force`", word(name)),
            });
            let value = json!({"name": name, "error": error.to_json()});
            (fail(ID, error.message(), fix), value)
        }
        Err(_) => {
            let fix = "report this fault of pyro with the output of `PYRO_LOG=debug pyro doctor`";
            (
                fail(ID, format!("`{name}` could not be examined"), fix),
                json!({"name": name}),
            )
        }
    }
}

fn judge(name: &str, info: &EnvironmentInfo) -> DoctorCheck {
    let pull = format!("`pyro env pull {}`", word(name));
    match info.state {
        EnvironmentState::Cold | EnvironmentState::Warm => pass(ID, format!("`{name}` is installed")),
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
