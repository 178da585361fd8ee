//! The registry part of a reference: a host and perhaps a port.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Names the registry that holds a repository: a domain name, an IPv4 address or a bracketed IPv6 address, and
/// perhaps a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RegistryHost {
    name: String,
    port: Option<u16>,
}

impl RegistryHost {
    /// Parses `host`, `host:port` or `[address]:port`; none if `text` is malformed.
    pub fn parse(text: &str) -> Option<Self> {
        let (name, port) = split_port(text)?;
        let port = match port {
            Some(digits) => Some(parse_port(digits)?),
            None => None,
        };
        let known = match name.strip_prefix('[') {
            Some(rest) => rest.strip_suffix(']')?.parse::<Ipv6Addr>().is_ok(),
            None => is_domain(name),
        };
        known.then(|| Self {
            name: name.to_ascii_lowercase(),
            port,
        })
    }

    /// Returns the host without the port, in lower case; IPv6 addresses in brackets.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the port, if one was written.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// Returns true if the host is this machine by its spelling: `localhost`, 127.0.0.0/8 or `[::1]`.
    ///
    /// Only such registries are spoken to without TLS. Names that merely resolve to a loopback address do not count.
    pub fn is_loopback(&self) -> bool {
        let bare = self.name.trim_start_matches('[').trim_end_matches(']');
        self.name == "localhost"
            || bare
                .parse::<Ipv4Addr>()
                .is_ok_and(|address| address.is_loopback())
            || bare
                .parse::<Ipv6Addr>()
                .is_ok_and(|address| address.is_loopback())
    }
}

impl fmt::Display for RegistryHost {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name)?;
        match self.port {
            Some(port) => write!(formatter, ":{port}"),
            None => Ok(()),
        }
    }
}

fn split_port(text: &str) -> Option<(&str, Option<&str>)> {
    if text.starts_with('[') {
        let end = text.find(']')? + 1;
        let (name, rest) = text.split_at(end);
        return match rest.strip_prefix(':') {
            Some(port) => Some((name, Some(port))),
            None => rest.is_empty().then_some((name, None)),
        };
    }
    Some(match text.split_once(':') {
        Some((name, port)) => (name, Some(port)),
        None => (text, None),
    })
}

fn parse_port(digits: &str) -> Option<u16> {
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|port| plain && *port != 0)
}

fn is_domain(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(is_label)
}

fn is_label(label: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    !label.is_empty()
        && label.len() <= 63
        && label.bytes().all(allowed)
        && !label.starts_with('-')
        && !label.ends_with('-')
}
