//! Which tier a run gets.

use serde_json::Value;

use crate::refuse::refused;
use crate::support::Home;

#[test]
fn hardware_isolation_is_what_doctor_says_of_it() {
    let home = Home::new();
    let doctor = home.pyro(["doctor", "--json"]).output().unwrap();
    let report: Value = serde_json::from_slice(&doctor.stdout).unwrap();
    let checks = report["checks"].as_array().unwrap();
    let kvm = checks.iter().find(|check| check["id"] == "kvm").unwrap();
    let auto = home.json(&["--isolation", "auto"], &["true"]).1["isolation"].clone();
    if kvm["status"] == "pass" {
        assert_eq!(auto, "hardware");
        assert_eq!(
            home.json(&["--isolation", "hardware"], &["true"]).1["isolation"],
            "hardware"
        );
    } else {
        assert_eq!(auto, "emulated", "{kvm:#}");
        let error = refused(&home, &["--isolation", "hardware"], "isolation-unavailable");
        assert!(
            error["hint"].as_str().unwrap().contains("--isolation emulated"),
            "{error:#}"
        );
    }
}
