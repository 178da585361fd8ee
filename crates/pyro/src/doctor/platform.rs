//! Whether pyro knows the platform.

use super::finding::{fail, pass};
use crate::object::DoctorCheck;

/// Every platform that pyro runs on.
const KNOWN: [&str; 1] = ["linux-x86_64"];

/// Checks the platform that was asked for, or else this host's; gives its name too.
pub(super) fn look(asked: Option<&str>) -> (String, DoctorCheck) {
    let platform = match asked {
        Some(name) => name.to_owned(),
        None => format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH),
    };
    let check = if KNOWN.contains(&platform.as_str()) {
        pass("platform", format!("{platform} is supported"))
    } else {
        fail(
            "platform",
            format!("`{platform}` is not a platform of pyro"),
            format!(
                "known platforms: {}; run `pyro doctor --platform {}`",
                KNOWN.join(", "),
                KNOWN[0]
            ),
        )
    };
    (platform, check)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::Status;

    #[test]
    fn an_unknown_platform_fails_with_the_known_ones() {
        let (name, check) = look(Some("plan9-mips"));
        assert_eq!((name.as_str(), check.status), ("plan9-mips", Status::Fail));
        assert!(check.fix.unwrap().contains("linux-x86_64"));
        assert_eq!(look(Some("linux-x86_64")).1.status, Status::Pass);
    }
}
