//! One-shot VMs as text: one of them, its network, its end, the end of several.

use std::fmt::Write as _;

use serde_json::Value;

use super::json::{Fields, counted};

/// Writes a *VM*, beginning with what was done.
pub(crate) fn write_vm(done: &str, object: &Value) -> String {
    let fields = Fields(object);
    let (id, state, tier) = (fields.text("vm_id"), fields.text("state"), fields.tier());
    let mut text = format!("{done} · VM {id} · {state}{tier}\n");
    let mut say = |name: &str, value: &str| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name}: {value}");
    };
    say("environment", &fields.text("environment"));
    say("size", &size(fields));
    say("network", network(fields));
    if let Some(reason) = fields.some_text("stop_reason") {
        say("stopped", &reason);
    }
    if let Some(error) = fields.some_text("last_error") {
        let error: String = error.chars().take(200).collect();
        say("last error", &error);
    }
    say("times", &times(fields));
    text.push_str(&fields.notes());
    text
}

fn size(fields: Fields<'_>) -> String {
    format!(
        "{}, {} MiB memory, {} GiB disk",
        counted(fields.number("vcpu_count"), "CPU", "CPUs"),
        fields.number("mem_mib"),
        fields.number("disk_gib"),
    )
}

fn network(fields: Fields<'_>) -> &'static str {
    if fields.is("network_enabled") { "on" } else { "off" }
}

fn times(fields: Fields<'_>) -> String {
    let mut times = format!(
        "created {}, last active {}",
        fields.text("created_at"),
        fields.text("last_activity_at")
    );
    if let Some(expires) = fields.some_text("expires_at") {
        let _ = write!(times, ", deleted if idle at {expires}");
    }
    let _ = write!(times, ", idle limit {} s", fields.number("ttl_seconds"));
    times
}

/// Writes a *VM network*.
pub(crate) fn write_vm_network(object: &Value) -> String {
    let fields = Fields(object);
    let reach = if fields.is("outbound_connectivity_expected") {
        "reaches the outside"
    } else {
        "reaches nothing outside"
    };
    let mut text = format!(
        "network {} · VM {} · {reach}: {}\n",
        network(fields),
        fields.text("vm_id"),
        fields.text("reason")
    );
    for (name, field) in [
        ("address", "guest_ip"),
        ("gateway", "gateway_ip"),
        ("subnet", "subnet_cidr"),
        ("MAC address", "mac_address"),
    ] {
        if let Some(value) = fields.some_text(field) {
            let _ = writeln!(text, "{name}: {value}");
        }
    }
    let servers: Vec<_> = fields.texts("dns_servers").collect();
    if !servers.is_empty() {
        let _ = writeln!(text, "DNS servers: {}", servers.join(", "));
    }
    if fields.number("blocked_count") > 0 {
        let _ = writeln!(text, "refused connections: {}", fields.grouped("blocked_count"));
    }
    text
}

/// Writes a *VM deletion*.
pub(crate) fn write_vm_deletion(object: &Value) -> String {
    let fields = Fields(object);
    let fate = if fields.is("deleted") {
        "deleted"
    } else {
        "not deleted"
    };
    let reason = match fields.verbatim("reason") {
        "expired" => " · its time was over",
        _ => "",
    };
    format!("{fate} · VM {}{reason}\n", fields.text("vm_id"))
}

/// Writes a *reap*: one line for each VM.
pub(crate) fn write_reap(object: &Value) -> String {
    let fields = Fields(object);
    let mut text = format!(
        "removed {}\n",
        counted(fields.number("count"), "expired VM", "expired VMs")
    );
    for id in fields.texts("deleted_vm_ids") {
        text.push_str(&id);
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn vm() -> Value {
        json!({
            "vm_id": "3f2a91c0d4e5", "environment": "debian:12", "vcpu_count": 2, "mem_mib": 1024, "disk_gib": 10,
            "ttl_seconds": 600, "created_at": "A", "last_activity_at": "B", "expires_at": "C", "state": "started",
            "stop_reason": null, "last_error": null, "network_enabled": false, "isolation": "emulated", "vmm": "qemu",
            "warnings": ["guessed"],
        })
    }

    #[test]
    fn a_vm_is_its_state_and_what_a_next_step_needs() {
        assert_eq!(
            write_vm("started", &vm()),
            "started · VM 3f2a91c0d4e5 · started · emulated/qemu\n\
             environment: debian:12\n\
             size: 2 CPUs, 1024 MiB memory, 10 GiB disk\n\
             network: off\n\
             times: created A, last active B, deleted if idle at C, idle limit 600 s\n\
             warning: guessed\n"
        );
    }

    #[test]
    fn a_vm_that_does_not_run_says_why() {
        let mut object = vm();
        object["state"] = "stopped".into();
        object["isolation"] = Value::Null;
        object["stop_reason"] = "requested".into();
        object["last_error"] = "it did\nnot start".into();
        object["expires_at"] = Value::Null;
        let text = write_vm("status", &object);
        assert!(
            text.starts_with("status · VM 3f2a91c0d4e5 · stopped\n") && !text.contains("deleted if idle"),
            "{text}"
        );
        assert!(
            text.contains("\nstopped: requested\nlast error: it did\\nnot start\n"),
            "{text}"
        );
    }

    #[test]
    fn a_network_is_what_can_be_reached_and_why() {
        let none = json!({
            "vm_id": "3f2a91c0d4e5", "network_enabled": false, "outbound_connectivity_expected": false,
            "reason": "no device", "guest_ip": null, "dns_servers": [], "blocked_count": 0,
        });
        assert_eq!(
            write_vm_network(&none),
            "network off · VM 3f2a91c0d4e5 · reaches nothing outside: no device\n"
        );
        let some = json!({
            "vm_id": "3f2a91c0d4e5", "network_enabled": true, "outbound_connectivity_expected": true,
            "reason": "asked for", "guest_ip": "10.0.0.2", "gateway_ip": "10.0.0.1", "subnet_cidr": "10.0.0.0/24",
            "mac_address": "02:00:00:00:00:01", "dns_servers": ["10.0.0.1", "10.0.0.3"], "blocked_count": 1234,
        });
        assert_eq!(
            write_vm_network(&some),
            "network on · VM 3f2a91c0d4e5 · reaches the outside: asked for\n\
             address: 10.0.0.2\ngateway: 10.0.0.1\nsubnet: 10.0.0.0/24\nMAC address: 02:00:00:00:00:01\n\
             DNS servers: 10.0.0.1, 10.0.0.3\nrefused connections: 1,234\n"
        );
    }

    #[test]
    fn an_end_is_a_line_for_each() {
        let mut object = json!({"vm_id": "3f2a91c0d4e5", "deleted": true, "reason": "explicit_delete"});
        assert_eq!(write_vm_deletion(&object), "deleted · VM 3f2a91c0d4e5\n");
        object["reason"] = "expired".into();
        assert_eq!(
            write_vm_deletion(&object),
            "deleted · VM 3f2a91c0d4e5 · its time was over\n"
        );
        let reap = json!({"count": 2, "deleted_vm_ids": ["000000000001", "000000000002"]});
        assert_eq!(
            write_reap(&reap),
            "removed 2 expired VMs\n000000000001\n000000000002\n"
        );
        assert_eq!(
            write_reap(&json!({"count": 0, "deleted_vm_ids": []})),
            "removed 0 expired VMs\n"
        );
    }
}
