//! The secret that clients of a server over HTTP show, in the state directory.

use std::path::PathBuf;

use crate::dirs::{StateDir, publish_once};
use crate::error::Result;
use crate::{Pyro, random};

/// Its name there.
const NAME: &str = "mcp-token";

/// Its random bytes, which are written in hexadecimal.
const BYTES: usize = 32;

impl Pyro {
    /// The file with the token for clients of an MCP server over HTTP: one line, for its owner alone. It is made once, and
    /// then the same for every server with this state directory.
    ///
    /// # Errors
    /// `host-io` if the state directory cannot be used.
    pub fn token_file(&self) -> Result<PathBuf> {
        let home = StateDir::open(&self.settings().home)?;
        let path = home.path().join(NAME);
        if !path.exists() {
            let line = format!("{}\n", random::hex::<BYTES>());
            publish_once(home.path(), NAME, line.as_bytes())?;
        }
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Settings;

    #[test]
    fn a_token_is_made_once() {
        let base = tempfile::tempdir().unwrap();
        let home = base.path().join("state");
        let pyro = Pyro::open(Settings::new(&home, base.path().join("cache")));
        let path = pyro.token_file().unwrap();
        let token = std::fs::read_to_string(&path).unwrap();
        assert_eq!(token.trim_end().len(), 2 * BYTES);
        assert_eq!(pyro.token_file().unwrap(), path);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), token);
        assert_eq!(std::fs::read_dir(&home).unwrap().count(), 1);
    }
}
