//! Who the caller is.

use rustix::process::geteuid;

/// The name of the user that this process is, or the number of one without a name in passwd(5).
pub(super) fn name() -> String {
    let text = std::fs::read("/etc/passwd").unwrap_or_default();
    let user = geteuid().as_raw();
    name_of(&String::from_utf8_lossy(&text), user).unwrap_or_else(|| user.to_string())
}

fn name_of(passwd: &str, user: u32) -> Option<String> {
    let mut entries = passwd.lines().map(|line| line.split(':'));
    entries.find_map(|mut fields| {
        let name = fields.next()?;
        let number: u32 = fields.nth(1)?.parse().ok()?;
        (number == user && !name.is_empty()).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_number_and_nothing_else() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\n\nnobody\na:x:7\nme:x:1000:0::/:/bin/sh\n:x:8:0::/:\n";
        assert_eq!(name_of(passwd, 0).as_deref(), Some("root"));
        assert_eq!(name_of(passwd, 1000).as_deref(), Some("me"));
        assert_eq!(name_of(passwd, 7).as_deref(), Some("a"));
        for user in [1, 8, 10] {
            assert_eq!(name_of(passwd, user), None);
        }
    }
}
