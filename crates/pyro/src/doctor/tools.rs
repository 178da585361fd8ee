//! The programs that build environments where no registry can be reached.

use super::finding::{pass, warn};
use crate::object::DoctorCheck;
use crate::process::find_program;
use crate::settings::Settings;

/// Each program with the package that has it.
const TOOLS: [(&str, &str); 2] = [("mke2fs", "e2fsprogs"), ("mmdebstrap", "mmdebstrap")];

/// Checks that they are there. Without them pyro still runs what is installed or pulled.
pub(super) fn look(settings: &Settings) -> DoctorCheck {
    let missing: Vec<_> = TOOLS
        .iter()
        .filter(|(program, _)| find_program(&settings.search_path, program).is_none())
        .collect();
    if missing.is_empty() {
        return pass(
            "tools",
            "mke2fs and mmdebstrap are there, to build environments with",
        );
    }
    let join = |words: Vec<&str>, by: &str| words.join(by);
    let programs = join(missing.iter().map(|(program, _)| *program).collect(), " and ");
    let packages = join(missing.iter().map(|(_, package)| *package).collect(), " ");
    warn(
        "tools",
        format!("no {programs}: environments cannot be built here, only pulled or imported"),
        format!("install what is missing: `sudo apt-get install {packages}`"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::Status;

    #[test]
    fn missing_programs_are_a_warning_with_their_packages() {
        let mut settings = Settings::new("/nonexistent", "/nonexistent");
        settings.search_path = vec!["/nonexistent".into()];
        let check = look(&settings);
        assert_eq!(check.status, Status::Warn);
        assert!(
            check
                .fix
                .unwrap()
                .contains("apt-get install e2fsprogs mmdebstrap")
        );
    }
}
