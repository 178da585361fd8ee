//! Who runs a command: `name`, `uid`, `name:group` or `uid:gid`, looked up in the image's own files.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use pyro_proto::message::{Fault, FaultKind};
use rustix::fs::OFlags;

use crate::call::fault;

/// More than any passwd or group file in use; a larger one is cut off.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// A user as asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct UserSpec {
    /// A name or number; none is whoever runs commands by default.
    pub(crate) user: Option<String>,
    /// A name or number.
    pub(crate) group: Option<String>,
}

impl FromStr for UserSpec {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let (user, group) = match text.split_once(':') {
            Some((user, group)) => (user, Some(group)),
            None => (text, None),
        };
        if group.is_some_and(|group| group.contains(':')) {
            return Err(fault(
                FaultKind::InvalidArgument,
                format!("`{text}` is not of the form user:group"),
            ));
        }
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Ok(Self {
            user: given(user),
            group: group.and_then(given),
        })
    }
}

/// A user as the kernel knows it, with what programs want to know besides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    /// The user id.
    pub(crate) uid: u32,
    /// The group id.
    pub(crate) gid: u32,
    /// Supplementary group ids.
    pub(crate) groups: Vec<u32>,
    /// The name, or the number where it has none.
    pub(crate) name: String,
    /// The home directory.
    pub(crate) home: PathBuf,
}

impl User {
    /// Finds a user in `/etc/passwd` and `/etc/group` of the root of the calling thread.
    ///
    /// # Errors
    /// [`FaultKind::InvalidArgument`] if it does not exist. A number need not be in the files.
    pub(crate) fn find(spec: &UserSpec) -> Result<Self, Fault> {
        Self::find_in(spec, &read_text("/etc/passwd"), &read_text("/etc/group"))
    }

    fn find_in(spec: &UserSpec, passwd: &str, groups: &str) -> Result<Self, Fault> {
        let mut user = match &spec.user {
            None => with_uid(passwd, 0).unwrap_or_else(|| Self::without_entry(0)),
            Some(wanted) => Self::named_or_numbered(wanted, passwd)?,
        };
        match &spec.group {
            Some(group) => user.gid = find_group(group, groups)?,
            None => user.groups = memberships(&user.name, groups),
        }
        Ok(user)
    }

    fn named_or_numbered(wanted: &str, passwd: &str) -> Result<Self, Fault> {
        if let Some(entry) = entries(passwd, parse_user).find(|entry| entry.name == wanted) {
            return Ok(entry.into());
        }
        let unknown = || fault(FaultKind::InvalidArgument, format!("there is no user `{wanted}`"));
        let uid = wanted.parse().map_err(|_| unknown())?;
        Ok(with_uid(passwd, uid).unwrap_or_else(|| Self::without_entry(uid)))
    }

    fn without_entry(uid: u32) -> Self {
        let name = if uid == 0 {
            "root".to_owned()
        } else {
            uid.to_string()
        };
        Self {
            uid,
            gid: 0,
            groups: Vec::new(),
            name,
            home: PathBuf::from("/"),
        }
    }

    /// Root in an image without any files.
    #[cfg(test)]
    pub(crate) fn root_without_files() -> Self {
        Self::without_entry(0)
    }
}

fn find_group(group: &str, groups: &str) -> Result<u32, Fault> {
    entries(groups, parse_group)
        .find(|(name, ..)| *name == group)
        .map(|(_, gid, _)| gid)
        .or_else(|| group.parse().ok())
        .ok_or_else(|| fault(FaultKind::InvalidArgument, format!("there is no group `{group}`")))
}

fn memberships(user: &str, groups: &str) -> Vec<u32> {
    // Most groups of most images have no members: it does for those to look at the end of the line.
    let with_members = groups.lines().filter(|line| !line.ends_with(':'));
    with_members
        .filter_map(parse_group)
        .filter(|(_, _, members)| members.split(',').any(|member| member == user))
        .map(|(_, gid, _)| gid)
        .collect()
}

fn entries<'a, T>(file: &'a str, parse: fn(&'a str) -> Option<T>) -> impl Iterator<Item = T> {
    file.lines().filter_map(parse)
}

fn with_uid(passwd: &str, uid: u32) -> Option<User> {
    entries(passwd, parse_user)
        .find(|entry| entry.uid == uid)
        .map(Into::into)
}

/// A line of passwd(5).
struct Entry<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
    home: &'a str,
}

impl From<Entry<'_>> for User {
    fn from(entry: Entry<'_>) -> Self {
        Self {
            uid: entry.uid,
            gid: entry.gid,
            groups: Vec::new(),
            name: entry.name.to_owned(),
            home: PathBuf::from(entry.home),
        }
    }
}

/// passwd(5); a line that is not one is passed over, as in the C library.
fn parse_user(line: &str) -> Option<Entry<'_>> {
    let mut fields = line.split(':');
    let (name, _password) = (fields.next()?, fields.next()?);
    let (uid, gid) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    let home = fields.nth(1).filter(|home| !home.is_empty()).unwrap_or("/");
    Some(Entry { name, uid, gid, home })
}

/// group(5): name, id and members.
fn parse_group(line: &str) -> Option<(&str, u32, &str)> {
    let mut fields = line.split(':');
    let (name, _password) = (fields.next()?, fields.next()?);
    Some((
        name,
        fields.next()?.parse().ok()?,
        fields.next().unwrap_or_default(),
    ))
}

/// Reads a file that the guest may have put there: a missing, special or oversized one must do no harm.
fn read_text(path: impl AsRef<Path>) -> String {
    let read = || -> io::Result<Vec<u8>> {
        let flags = i32::try_from((OFlags::NONBLOCK | OFlags::NOCTTY).bits()).map_err(io::Error::other)?;
        let file = File::options().read(true).custom_flags(flags).open(path)?;
        let mut bytes = Vec::new();
        if file.metadata()?.is_file() {
            file.take(MAX_FILE_BYTES).read_to_end(&mut bytes)?;
        }
        Ok(bytes)
    };
    let bytes = read().unwrap_or_default();
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\nbroken\n\
                          dev:x:1000:1001:Dev,,,:/home/dev:/bin/sh\n1000:x:7:7::/seven:/bin/sh\nbare:x:9:9::";
    const GROUP: &str = "root:x:0:\ndocker:x:990:dev,other\nnone:x:\ndev:x:1001:\nvideo:x:44:dev\n";

    fn find(spec: &str) -> Result<User, Fault> {
        User::find_in(&spec.parse()?, PASSWD, GROUP)
    }

    #[test]
    fn nothing_is_root() {
        let root = find("").unwrap();
        assert_eq!((root.uid, root.gid, root.home), (0, 0, PathBuf::from("/root")));
    }

    #[test]
    fn a_name_brings_its_groups_and_home() {
        let dev = find("dev").unwrap();
        assert_eq!((dev.uid, dev.gid, dev.groups), (1000, 1001, vec![990, 44]));
        assert_eq!(dev.home, PathBuf::from("/home/dev"));
        assert_eq!(find("bare").unwrap().home, PathBuf::from("/"));
    }

    #[test]
    fn a_name_made_of_digits_comes_before_the_number() {
        assert_eq!(find("1000").unwrap().uid, 7);
        let passwd = "0:x:5:5::/five:/bin/sh\nroot:x:0:0::/root:/bin/sh";
        let default = User::find_in(&UserSpec::default(), passwd, "").unwrap();
        assert_eq!((default.uid, default.name.as_str()), (0, "root"));
    }

    #[test]
    fn a_group_that_is_named_replaces_all_others() {
        let dev = find("dev:video").unwrap();
        assert_eq!((dev.gid, dev.groups), (44, vec![]));
        assert_eq!(find("4242:4243").unwrap().gid, 4243);
    }

    #[test]
    fn a_number_needs_no_entry_but_a_name_does() {
        let unknown = find("4242").unwrap();
        assert_eq!(
            (unknown.uid, unknown.gid, unknown.name.as_str()),
            (4242, 0, "4242")
        );
        assert!(find("nobody").unwrap_err().message.contains("nobody"));
        assert!(find("dev:nogroup").unwrap_err().message.contains("nogroup"));
        find("a:b:c").unwrap_err();
    }
}
