//! Where the kernel shows cgroups, from `/proc/self/mountinfo` and `/proc/self/cgroup`.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// A place at which cgroups of version 2 are mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mount {
    /// The cgroup that is seen there; mostly the topmost one.
    root: PathBuf,
    /// Where it is seen.
    pub(super) point: PathBuf,
}

impl Mount {
    /// The directory of a cgroup, if it is seen here.
    pub(super) fn directory_of(&self, cgroup: &Path) -> Option<PathBuf> {
        let below = cgroup.strip_prefix(&self.root).ok()?;
        let plain = |part: std::path::Component<'_>| matches!(part, std::path::Component::Normal(_));
        // Joined to nothing, a path would end in a slash.
        match below.components().next() {
            None => Some(self.point.clone()),
            Some(_) if below.components().all(plain) => Some(self.point.join(below)),
            Some(_) => None,
        }
    }
}

/// The cgroup2 mounts of `/proc/self/mountinfo` (proc_pid_mountinfo(5)), in its order.
pub(super) fn cgroup2_mounts(mountinfo: &[u8]) -> Vec<Mount> {
    mountinfo
        .split(|byte| *byte == b'\n')
        .filter_map(cgroup2_mount)
        .collect()
}

fn cgroup2_mount(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ');
    let root = fields.nth(3)?;
    let point = fields.next()?;
    // Options, and then optional fields up to a lone hyphen.
    fields.find(|field| *field == b"-")?;
    (fields.next()? == b"cgroup2").then(|| Mount {
        root: unescape(root),
        point: unescape(point),
    })
}

/// A path in which spaces, tabs, line ends and backslashes are written as a backslash and three octal digits.
fn unescape(field: &[u8]) -> PathBuf {
    let mut path = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((byte, after)) = rest.split_first() {
        let escaped = after
            .first_chunk::<3>()
            .filter(|digits| *byte == b'\\' && digits.iter().all(|digit| matches!(digit, b'0'..=b'7')));
        match escaped {
            Some(digits) => {
                let value = digits
                    .iter()
                    .fold(0_u8, |value, digit| (value << 3) | (digit - b'0'));
                path.push(value);
                rest = &after[3..];
            }
            None => {
                path.push(*byte);
                rest = after;
            }
        }
    }
    PathBuf::from(OsString::from_vec(path))
}

/// The process's own cgroup of version 2, as `/proc/self/cgroup` names it (cgroups(7)).
pub(super) fn own_cgroup(text: &[u8]) -> Option<PathBuf> {
    let path = text
        .split(|byte| *byte == b'\n')
        .find_map(|line| line.strip_prefix(b"0::"))?;
    Some(PathBuf::from(OsString::from_vec(path.to_vec())))
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNIFIED: &[u8] = b"\
24 30 0:22 / /proc rw,nosuid,nodev,noexec,relatime shared:13 - proc proc rw
30 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
35 25 0:29 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot
";

    const HYBRID: &[u8] = b"\
31 23 0:28 / /sys/fs/cgroup ro,nosuid,nodev,noexec shared:8 - tmpfs tmpfs ro,mode=755
32 31 0:29 / /sys/fs/cgroup/unified rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate
33 31 0:30 / /sys/fs/cgroup/memory rw,nosuid,nodev,noexec,relatime shared:14 - cgroup cgroup rw,memory
";

    fn mount(root: &str, point: &str) -> Mount {
        Mount {
            root: root.into(),
            point: point.into(),
        }
    }

    #[test]
    fn version_2_is_found_alone_and_beside_version_1() {
        assert_eq!(cgroup2_mounts(UNIFIED), [mount("/", "/sys/fs/cgroup")]);
        assert_eq!(cgroup2_mounts(HYBRID), [mount("/", "/sys/fs/cgroup/unified")]);
    }

    #[test]
    fn where_there_is_none_none_is_found() {
        let version_1 = HYBRID.split(|byte| *byte == b'\n').skip(2).collect::<Vec<_>>();
        assert_eq!(cgroup2_mounts(&version_1.join(&b'\n')), []);
        // The type is what counts, not what is called so.
        let named = b"36 25 0:31 / /cgroup2 rw - tmpfs cgroup2 rw\n35 25 0:29 / /sys/fs/cgroup rw cgroup2";
        assert_eq!(cgroup2_mounts(named), []);
        assert_eq!(cgroup2_mounts(b"\n\n-\n"), []);
    }

    #[test]
    fn optional_fields_may_be_missing_or_many() {
        let lines =
            b"35 25 0:29 / /a rw - cgroup2 x rw\n36 25 0:29 / /b rw shared:1 master:2 - cgroup2 x rw\n";
        assert_eq!(cgroup2_mounts(lines), [mount("/", "/a"), mount("/", "/b")]);
    }

    #[test]
    fn escaped_paths_are_read() {
        let line = br"35 25 0:29 /a\040b /mnt/c\011d\134e\012\0 rw - cgroup2 cgroup2 rw";
        assert_eq!(cgroup2_mounts(line), [mount("/a b", "/mnt/c\td\\e\n\\0")]);
    }

    #[test]
    fn a_cgroup_is_found_below_the_mount_that_shows_it() {
        let whole = mount("/", "/sys/fs/cgroup");
        let found = |mount: &Mount, cgroup: &str| mount.directory_of(Path::new(cgroup));
        assert_eq!(
            found(&whole, "/user.slice/x.scope"),
            Some("/sys/fs/cgroup/user.slice/x.scope".into())
        );
        assert_eq!(found(&whole, "/"), Some("/sys/fs/cgroup".into()));
        let part = mount("/docker/0", "/sys/fs/cgroup");
        assert_eq!(found(&part, "/docker/0"), Some("/sys/fs/cgroup".into()));
        assert_eq!(found(&part, "/docker/0/a"), Some("/sys/fs/cgroup/a".into()));
        assert_eq!(found(&part, "/docker/01"), None);
        // Seen from a namespace that it is outside of.
        assert_eq!(found(&whole, "/../x.scope"), None);
        assert_eq!(found(&mount("/..", "/sys/fs/cgroup"), "/x"), None);
    }

    #[test]
    fn the_own_cgroup_is_that_of_version_2() {
        let hybrid = b"12:memory:/a\n1:name=systemd:/b\n0::/user.slice/c d.scope\n";
        assert_eq!(own_cgroup(hybrid), Some("/user.slice/c d.scope".into()));
        assert_eq!(own_cgroup(b"12:memory:/a\n10:pids:/0::/x\n"), None);
        assert_eq!(own_cgroup(b"0::/\n"), Some("/".into()));
    }
}
