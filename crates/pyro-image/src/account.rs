//! Who an image's user is in numbers, by the image's own `/etc/passwd` and `/etc/group`.

/// The text of an image's files of users and groups, as far as it has them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accounts {
    /// passwd(5).
    pub passwd: String,
    /// group(5).
    pub group: String,
}

/// A user and the user's group in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountIds {
    /// The numeric user.
    pub uid: u32,
    /// The numeric group.
    pub gid: u32,
}

impl Accounts {
    /// Finds `user`, `uid`, `user:group` or `uid:gid`; nothing is root. A number need not be in the files; a name must.
    /// Within a guest the agent goes by the same rules.
    pub fn find(&self, user: &str) -> Option<AccountIds> {
        let (user, group) = match user.split_once(':') {
            Some((user, group)) => (user, Some(group).filter(|group| !group.is_empty())),
            None => (user, None),
        };
        let user = if user.is_empty() { "0" } else { user };
        let number = user.parse::<u32>().ok();
        let users = || self.passwd.lines().filter_map(account);
        let entry = users()
            .find(|(name, _)| *name == user)
            .or_else(|| users().find(|(_, ids)| Some(ids.uid) == number));
        let mut ids = match entry {
            Some((_, ids)) => ids,
            None => AccountIds { uid: number?, gid: 0 },
        };
        if let Some(wanted) = group {
            let mut groups = self.group.lines().filter_map(numbered);
            let found = groups.find(|(name, _)| *name == wanted).map(|(_, gid)| gid);
            ids.gid = found.or_else(|| wanted.parse().ok())?;
        }
        Some(ids)
    }
}

/// A line of passwd(5); one that is none is passed over, as in the C library.
fn account(line: &str) -> Option<(&str, AccountIds)> {
    let (name, uid) = numbered(line)?;
    let gid = line.split(':').nth(3)?.parse().ok()?;
    Some((name, AccountIds { uid, gid }))
}

/// What a line of either file begins with: a name, a password and a number.
fn numbered(line: &str) -> Option<(&str, u32)> {
    let mut fields = line.split(':');
    let (name, _password) = (fields.next()?, fields.next()?);
    Some((name, fields.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(user: &str) -> Option<(u32, u32)> {
        let accounts = Accounts {
            passwd: "broken\nroot:x:0:0::/root:/bin/sh\nnode:x:1000:1001::/home/node:/bin/sh\n7:x:8:9::/:"
                .to_owned(),
            group: "root:x:0:\nstaff:x:50:node\nnode:x:1001:\n".to_owned(),
        };
        accounts.find(user).map(|ids| (ids.uid, ids.gid))
    }

    #[test]
    fn names_and_numbers_are_found_as_in_a_guest() {
        assert_eq!(find(""), Some((0, 0)));
        assert_eq!(find("node"), Some((1000, 1001)));
        assert_eq!(find("1000"), Some((1000, 1001)));
        assert_eq!(find("node:staff"), Some((1000, 50)));
        assert_eq!(find("node:7"), Some((1000, 7)));
        assert_eq!(find("node:"), Some((1000, 1001)));
        // A name that looks like a number is a name.
        assert_eq!(find("7"), Some((8, 9)));
        assert_eq!(find("55"), Some((55, 0)));
    }

    #[test]
    fn who_is_not_there_is_not_made_up() {
        assert_eq!(find("nobody"), None);
        assert_eq!(find("node:nobody"), None);
        assert_eq!(find("-1"), None);
        assert_eq!(Accounts::default().find("node"), None);
        let number = Accounts::default().find("4:5").map(|ids| (ids.uid, ids.gid));
        assert_eq!(number, Some((4, 5)));
    }
}
