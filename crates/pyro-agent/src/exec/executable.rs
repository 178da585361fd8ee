//! A program, its arguments and its variables, made ready so far that nothing but system calls is left to execute it.

use std::convert::Infallible;
use std::ffi::{CString, NulError, OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use rustix::io::Errno;

use super::sys::{self, Arguments, Strings};

/// Where programs are looked for without a `PATH`, as by the C library.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// What a process is to execute.
#[derive(Debug)]
pub(super) struct Executable {
    /// The files that the program's name may mean, in the order in which they are tried.
    files: Vec<CString>,
    arguments: Arguments,
    environment: Strings,
}

impl Executable {
    /// Makes it of arguments, which begin with the program's name, and of variables, each as `NAME=value`.
    ///
    /// # Errors
    /// If one of them contains a NUL byte.
    pub(super) fn new(arguments: Vec<OsString>, environment: Vec<OsString>) -> Result<Self, NulError> {
        let path = environment
            .iter()
            .find_map(|entry| entry.as_bytes().strip_prefix(b"PATH="));
        let name = arguments
            .first()
            .map_or_else(Default::default, OsString::as_os_str);
        let files = files(name, path.unwrap_or(DEFAULT_PATH.as_bytes()));
        Ok(Self {
            files: c_strings(files)?,
            arguments: Arguments::new(c_strings(arguments.into_iter().map(OsString::into_vec))?),
            environment: Strings::new(c_strings(environment.into_iter().map(OsString::into_vec))?),
        })
    }

    /// Turns this process into the program. Only system calls.
    ///
    /// # Errors
    /// Why it could not be executed, as execvp(3) gives it; there is no other way to return.
    pub(super) fn execute(&self) -> io::Result<Infallible> {
        let mut last = Errno::NOENT;
        let mut is_denied = false;
        for file in &self.files {
            last = self.execute_file(file);
            match last {
                Errno::ACCESS => is_denied = true,
                Errno::NOENT
                | Errno::NOTDIR
                | Errno::NAMETOOLONG
                | Errno::STALE
                | Errno::NODEV
                | Errno::TIMEDOUT => {}
                _ => return Err(last.into()),
            }
        }
        Err(if is_denied { Errno::ACCESS } else { last }.into())
    }

    fn execute_file(&self, file: &CString) -> Errno {
        match sys::execute(file, &self.arguments, &self.environment) {
            Errno::NOEXEC => sys::execute_by_shell(file, &self.arguments, &self.environment),
            error => error,
        }
    }
}

fn c_strings(texts: impl IntoIterator<Item = Vec<u8>>) -> Result<Vec<CString>, NulError> {
    texts.into_iter().map(CString::new).collect()
}

/// What a name may mean: itself with a slash, and else a file of that name in any directory of `path`, of which an empty
/// one is the working directory.
fn files(name: &OsStr, path: &[u8]) -> Vec<Vec<u8>> {
    let name = name.as_bytes();
    if name.is_empty() {
        return Vec::new();
    }
    if name.contains(&b'/') {
        return vec![name.to_vec()];
    }
    path.split(|byte| *byte == b':')
        .map(|directory| match directory {
            [] => name.to_vec(),
            _ => [directory, name].join(&b'/'),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(name: &str, path: &str) -> Vec<String> {
        files(OsStr::new(name), path.as_bytes())
            .into_iter()
            .map(|file| String::from_utf8(file).unwrap())
            .collect()
    }

    #[test]
    fn a_name_is_looked_for_in_every_directory_and_a_path_is_itself() {
        assert_eq!(names("ls", "/usr/bin:/bin"), ["/usr/bin/ls", "/bin/ls"]);
        assert_eq!(names("ls", ":/bin:"), ["ls", "/bin/ls", "ls"]);
        assert_eq!(names("./ls", "/bin"), ["./ls"]);
        assert!(names("", "/bin").is_empty());
    }

    #[test]
    fn nothing_is_executed_as_execvp_would_tell_it() {
        let tried = |name: &str, path: &str| {
            let executable = Executable::new(vec![name.into()], vec![path.into()]).unwrap();
            executable.execute().unwrap_err().raw_os_error().unwrap()
        };
        assert_eq!(tried("", "PATH=/bin"), libc::ENOENT);
        assert_eq!(tried("no-such-program", "PATH=/bin:/usr/bin"), libc::ENOENT);
        assert_eq!(tried("passwd", "PATH=/etc:/nowhere"), libc::EACCES);
        let long = format!("PATH=/{}:/etc", "x/".repeat(3000));
        assert_eq!(tried("passwd", &long), libc::EACCES);
        assert_eq!(tried(&"x".repeat(300), "PATH=/etc"), libc::ENAMETOOLONG);
        assert_eq!(tried("/etc/passwd/x", "A=b"), libc::ENOTDIR);
        assert_eq!(tried("/etc", "A=b"), libc::EACCES);
    }
}
