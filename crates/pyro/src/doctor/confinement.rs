//! What the host offers to lock a VMM up in, layer by layer.

use serde_json::{Value, json};

use super::finding::{pass, warn};
use super::program;
use crate::object::DoctorCheck;
use crate::process::find_program;
use crate::settings::Settings;

/// What was found.
pub(super) struct Confinement {
    pub(super) checks: Vec<DoctorCheck>,
    pub(super) value: Value,
    /// Whether a VMM can be given a root of its own.
    pub(super) may_jail: bool,
}

/// One layer: whether this host has it, and what to do if not.
struct Layer {
    name: &'static str,
    available: bool,
    fix: &'static str,
}

const USERNS_FIX: &str = "allow user namespaces: `sudo sysctl -w user.max_user_namespaces=10000 kernel.unprivileged_userns_clone=1 kernel.apparmor_restrict_unprivileged_userns=0` (those that exist)";

/// Tries what can be tried and reads the rest.
pub(super) async fn look(settings: &Settings) -> Confinement {
    let user = namespaces(settings, &["--user", "--map-root-user", "true"]).await;
    // Who is root needs no user namespace for the others.
    let root = rustix::process::geteuid().is_root();
    let with_user: &[&str] = if root { &[] } else { &["--user", "--map-root-user"] };
    let own_net = namespaces(settings, &[with_user, &["--net", "true"]].concat()).await;
    let may_jail = namespaces(
        settings,
        &[with_user, &["--mount", "--net", "--ipc", "true"]].concat(),
    )
    .await;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let layers = [
        Layer {
            name: "no-new-privileges",
            available: rustix::thread::no_new_privs().is_ok(),
            fix: "use Linux 3.5 or later; see `uname -r`",
        },
        Layer {
            name: "system-call filter",
            available: status.lines().any(|line| line.starts_with("Seccomp:")),
            fix: "use a kernel with CONFIG_SECCOMP_FILTER; see `grep Seccomp /proc/self/status`",
        },
        Layer {
            name: "user namespace",
            available: user,
            fix: USERNS_FIX,
        },
        Layer {
            name: "network namespace",
            available: own_net,
            fix: USERNS_FIX,
        },
        Layer {
            name: "own root",
            available: may_jail,
            fix: USERNS_FIX,
        },
    ];
    let userns = match user {
        true => pass("userns", "user namespaces can be made"),
        false => warn("userns", "user namespaces cannot be made", USERNS_FIX),
    };
    Confinement {
        checks: vec![userns, judge(&layers)],
        value: describe(&layers),
        may_jail,
    }
}

fn judge(layers: &[Layer]) -> DoctorCheck {
    let missing: Vec<_> = layers.iter().filter(|layer| !layer.available).collect();
    let Some(first) = missing.first() else {
        return pass(
            "confinement",
            "every layer that this version puts around a VMM is available",
        );
    };
    let names: Vec<_> = missing.iter().map(|layer| layer.name).collect();
    warn(
        "confinement",
        format!("not in force around a VMM: {}", names.join(", ")),
        first.fix,
    )
}

fn describe(layers: &[Layer]) -> Value {
    let mut value: serde_json::Map<_, _> = layers
        .iter()
        .map(|layer| (layer.name.replace([' ', '-'], "_"), json!(layer.available)))
        .collect();
    // Who is not root has no privileges that a VMM could give up.
    let root = rustix::process::geteuid().is_root();
    let drop = if root { json!(true) } else { Value::Null };
    value.insert("uid_drop".to_owned(), drop);
    Value::Object(value)
}

/// Whether this user may make namespaces: tried, because containers forbid it in ways that no file shows.
async fn namespaces(settings: &Settings, arguments: &[&str]) -> bool {
    match find_program(&settings.search_path, "unshare") {
        Some(unshare) => program::ask(&unshare, arguments).await.is_some(),
        None => std::fs::read_to_string("/proc/sys/user/max_user_namespaces")
            .is_ok_and(|limit| limit.trim() != "0"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::Status;

    fn layer(name: &'static str, available: bool) -> Layer {
        let fix = "`fix`";
        Layer { name, available, fix }
    }

    #[test]
    fn missing_layers_are_named() {
        let check = judge(&[layer("a", true), layer("b", false), layer("c", false)]);
        assert_eq!(check.status, Status::Warn);
        assert_eq!(check.summary, "not in force around a VMM: b, c");
        assert_eq!(judge(&[layer("a", true)]).status, Status::Pass);
    }
}
