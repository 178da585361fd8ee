//! What a caller decides about registries.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Says how registries are reached. Nothing is read from the environment: the caller passes on what applies.
#[derive(Clone)]
pub struct RegistrySettings {
    /// The directory with docker's `config.json` (`DOCKER_CONFIG`, else `~/.docker`); none for anonymous pulls.
    pub docker_config_dir: Option<PathBuf>,
    /// The URL of the proxy for registries behind TLS. Loopback registries are always reached directly.
    pub https_proxy: Option<String>,
    /// Hosts reached without the proxy, as in the variable `NO_PROXY`.
    pub no_proxy: Option<String>,
    /// The registry asked first for docker.io images: `host`, `host:port` or `host/prefix`, with or without a scheme.
    pub mirror: Option<String>,
    /// Longest time to establish a connection.
    pub connect_timeout: Duration,
    /// Longest silence of a registry that is to answer or deliver.
    pub read_timeout: Duration,
    /// What happens after failures that may pass.
    pub retry: RetryPolicy,
}

impl Default for RegistrySettings {
    fn default() -> Self {
        Self {
            docker_config_dir: None,
            https_proxy: None,
            no_proxy: None,
            mirror: None,
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(60),
            retry: RetryPolicy::default(),
        }
    }
}

impl fmt::Debug for RegistrySettings {
    /// Leaves out the URLs, which may carry passwords.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RegistrySettings")
            .field("docker_config_dir", &self.docker_config_dir)
            .field("has_proxy", &self.https_proxy.is_some())
            .field("no_proxy", &self.no_proxy)
            .field("has_mirror", &self.mirror.is_some())
            .field("connect_timeout", &self.connect_timeout)
            .field("read_timeout", &self.read_timeout)
            .field("retry", &self.retry)
            .finish()
    }
}

/// Says how often and when a request is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts in a row that may fail. An attempt that brought a MiB or more starts the count anew.
    pub attempts: u32,
    /// The pause after the first failure; it doubles with each further one.
    pub first_pause: Duration,
    /// The longest pause, also if the registry asks for a longer one (`Retry-After`).
    pub longest_pause: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 5,
            first_pause: Duration::from_millis(250),
            longest_pause: Duration::from_secs(30),
        }
    }
}

/// Counts failures in a row.
#[derive(Debug)]
pub(super) struct Backoff {
    policy: RetryPolicy,
    failures: u32,
}

impl Backoff {
    /// Starts without failures.
    pub(super) fn new(policy: RetryPolicy) -> Self {
        Self { policy, failures: 0 }
    }

    /// Forgets all failures.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    /// Counts one failure and returns how long to wait before the next attempt; none if there is to be none.
    pub(super) fn pause(&mut self, asked: Option<Duration>) -> Option<Duration> {
        let growing = self
            .policy
            .first_pause
            .saturating_mul(2_u32.saturating_pow(self.failures));
        self.failures = self.failures.saturating_add(1);
        let pause = asked.unwrap_or(growing).min(self.policy.longest_pause);
        (self.failures < self.policy.attempts).then_some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_end() {
        let mut backoff = Backoff::new(RetryPolicy::default());
        let pauses: Vec<_> = std::iter::from_fn(|| backoff.pause(None))
            .map(|it| it.as_millis())
            .collect();
        assert_eq!(pauses, [250, 500, 1000, 2000]);
        backoff.reset();
        assert_eq!(backoff.pause(None), Some(Duration::from_millis(250)));
    }

    #[test]
    fn the_registry_may_ask_for_a_pause_within_bounds() {
        let mut backoff = Backoff::new(RetryPolicy::default());
        assert_eq!(
            backoff.pause(Some(Duration::from_secs(3))),
            Some(Duration::from_secs(3))
        );
        assert_eq!(
            backoff.pause(Some(Duration::from_secs(3600))),
            Some(Duration::from_secs(30))
        );
    }

    #[test]
    fn passwords_in_urls_are_not_shown() {
        let settings = RegistrySettings {
            https_proxy: Some("http://user:hunter2@proxy".to_owned()),
            mirror: Some("https://user:hunter2@mirror".to_owned()),
            ..RegistrySettings::default()
        };
        assert!(!format!("{settings:?}").contains("hunter2"));
    }
}
