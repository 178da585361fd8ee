//! What the host offers to lock a VMM up in, layer by layer.

use serde_json::{Value, json};

use super::finding::{pass, warn};
use super::program;
use crate::object::DoctorCheck;
use crate::process::find_program;
use crate::settings::Settings;
use crate::vmm::cgroup::{self, CgroupError, Controller, Offer};

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
    /// Why it is missing, where that can be told.
    reason: Option<String>,
    fix: String,
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
    let offer = cgroup::try_out();
    let layers = [
        Layer::new(
            "no-new-privileges",
            rustix::thread::no_new_privs().is_ok(),
            "use Linux 3.5 or later; see `uname -r`",
        ),
        Layer::new(
            "system-call filter",
            status.lines().any(|line| line.starts_with("Seccomp:")),
            "use a kernel with CONFIG_SECCOMP_FILTER; see `grep Seccomp /proc/self/status`",
        ),
        Layer::new("user namespace", user, USERNS_FIX),
        Layer::new("network namespace", own_net, USERNS_FIX),
        Layer::new("own root", may_jail, USERNS_FIX),
        limits(&offer),
    ];
    let userns = match user {
        true => pass("userns", "user namespaces can be made"),
        false => warn("userns", "user namespaces cannot be made", USERNS_FIX),
    };
    let mut value = describe(&layers);
    let limited = offer.map_or_else(|_| Vec::new(), |offer| offer.limited);
    value["cgroup_controllers"] = limited.into_iter().map(Controller::name).collect();
    Confinement {
        checks: vec![userns, judge(&layers)],
        value,
        may_jail,
    }
}

/// The limits around a VMM, of which there may be some.
fn limits(offer: &Result<Offer, CgroupError>) -> Layer {
    let (reason, fix) = match offer {
        Ok(offer) => {
            let missing = Controller::ALL.iter().filter(|one| !offer.limited.contains(one));
            let names: Vec<_> = missing.map(|controller| controller.name()).collect();
            let reason = (!names.is_empty()).then(|| format!("none on {}", names.join(", ")));
            (reason, offer.fix.clone())
        }
        Err(CgroupError::NoPlace(reason)) => (Some(reason.to_string()), reason.fix()),
        Err(error) => {
            let reason = match std::error::Error::source(error) {
                Some(source) => format!("{error}: {source}"),
                None => error.to_string(),
            };
            let fix =
                "for limits around VMMs, see what the kernel refuses: `PYRO_LOG=debug pyro run -- true`";
            (Some(reason), fix.to_owned())
        }
    };
    Layer {
        available: reason.is_none(),
        reason,
        ..Layer::new("cgroup limits", true, &fix)
    }
}

impl Layer {
    fn new(name: &'static str, available: bool, fix: &str) -> Self {
        Self {
            name,
            available,
            reason: None,
            fix: fix.to_owned(),
        }
    }
}

fn judge(layers: &[Layer]) -> DoctorCheck {
    let missing: Vec<_> = layers.iter().filter(|layer| !layer.available).collect();
    if missing.is_empty() {
        return pass(
            "confinement",
            "every layer that this version puts around a VMM is available",
        );
    }
    let names = missing.iter().map(|layer| match &layer.reason {
        Some(reason) => format!("{} ({reason})", layer.name),
        None => layer.name.to_owned(),
    });
    let names = names.collect::<Vec<_>>().join(", ");
    let mut fixes: Vec<_> = missing.iter().map(|layer| layer.fix.as_str()).collect();
    // One fix may be that of several layers, which then follow each other.
    fixes.dedup();
    warn(
        "confinement",
        format!("not in force around a VMM: {names}"),
        fixes.join("; "),
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
    use crate::vmm::cgroup::NoPlace;

    fn layer(name: &'static str, available: bool) -> Layer {
        Layer::new(name, available, "`fix`")
    }

    #[test]
    fn missing_layers_are_named() {
        let check = judge(&[layer("a", true), layer("b", false), layer("c", false)]);
        assert_eq!(check.status, Status::Warn);
        assert_eq!(check.summary, "not in force around a VMM: b, c");
        assert_eq!(check.fix.as_deref(), Some("`fix`"));
        assert_eq!(judge(&[layer("a", true)]).status, Status::Pass);
    }

    #[test]
    fn limits_that_are_missing_come_with_the_reason_and_its_fix() {
        let some = Offer {
            limited: vec![Controller::Memory, Controller::Pids],
            fix: "`enable`".to_owned(),
        };
        let check = judge(&[layer("a", false), limits(&Ok(some))]);
        assert_eq!(
            check.summary,
            "not in force around a VMM: a, cgroup limits (none on cpu)"
        );
        assert_eq!(check.fix.as_deref(), Some("`fix`; `enable`"));

        let none = limits(&Err(NoPlace::Unmounted.into()));
        assert!(!none.available && none.fix == NoPlace::Unmounted.fix());
        assert_eq!(none.reason.as_deref(), Some("no cgroup v2 is mounted"));

        let all = Offer {
            limited: Controller::ALL.to_vec(),
            fix: String::new(),
        };
        assert!(limits(&Ok(all)).available);
    }
}
