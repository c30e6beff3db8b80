//! Where a probe looks: the addresses that an operator wrote, and where a redirect may lead from there.

use std::net::{IpAddr, Ipv6Addr};

/// Longest address, in bytes.
const URL_BYTES_MAX: usize = 500;
/// Longest DNS name (RFC 1035 section 2.3.4) and label.
const NAME_BYTES_MAX: usize = 253;
const LABEL_BYTES_MAX: usize = 63;

/// An address of HTTP, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpTarget {
    pub tls: bool,
    /// Without brackets.
    pub host: String,
    pub port: u16,
    /// With its query; begins with a slash.
    pub path: String,
}

/// Why a text is no address to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TargetFault {
    #[error("an address begins with https:// or http://")]
    Scheme,
    #[error("user and password do not belong in an address: it is shown in lists")]
    UserInfo,
    #[error("after the scheme comes a DNS name or an IP address, an IPv6 one in brackets")]
    Host,
    #[error("a port is a number from 1 to 65535")]
    Port,
    #[error("an address has at most 500 characters, all of them printable ASCII, and no part after a #")]
    Characters,
}

impl HttpTarget {
    pub fn parse(url: &str) -> Result<HttpTarget, TargetFault> {
        let fit = |b: u8| b.is_ascii_graphic() && b != b'#' && b != b'\\';
        if url.len() > URL_BYTES_MAX || !url.bytes().all(fit) {
            return Err(TargetFault::Characters);
        }
        let (scheme, rest) = url.split_once("://").ok_or(TargetFault::Scheme)?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err(TargetFault::Scheme),
        };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end).ok_or(TargetFault::Host)?;
        if authority.contains('@') {
            return Err(TargetFault::UserInfo);
        }
        let (host, port) = split_port(authority)?;
        let port = match port {
            None => {
                if tls {
                    443
                } else {
                    80
                }
            }
            Some(text) => text.parse().ok().filter(|port| *port > 0).ok_or(TargetFault::Port)?,
        };
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(HttpTarget { tls, host: host.to_ascii_lowercase(), port, path })
    }

    /// As `Host` names it: the port only where it is not the scheme's own.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        match (self.tls, self.port) {
            (true, 443) | (false, 80) => host,
            (_, port) => format!("{host}:{port}"),
        }
    }

    /// Where a `Location` leads; None when it leads to a host that nobody wrote, or out of TLS.
    pub fn redirected(&self, location: &str) -> Option<HttpTarget> {
        // Two slashes name another host.
        if location.starts_with('/') && !location.starts_with("//") {
            let here = format!("{}://{}", if self.tls { "https" } else { "http" }, self.authority());
            return HttpTarget::parse(&format!("{here}{location}")).ok();
        }
        let next = HttpTarget::parse(location).ok()?;
        (next.host == self.host && (next.tls || !self.tls)).then_some(next)
    }
}

/// A name or an IPv4 address, or an IPv6 address in brackets; then perhaps a port.
fn split_port(authority: &str) -> Result<(&str, Option<&str>), TargetFault> {
    let (host, rest) = match authority.strip_prefix('[') {
        Some(inner) => {
            let (host, rest) = inner.split_once(']').ok_or(TargetFault::Host)?;
            host.parse::<Ipv6Addr>().map_err(|_| TargetFault::Host)?;
            (host, rest)
        }
        None => {
            let end = authority.find(':').unwrap_or(authority.len());
            let (host, rest) = authority.split_at_checked(end).ok_or(TargetFault::Host)?;
            (if is_host(host) { host } else { return Err(TargetFault::Host) }, rest)
        }
    };
    match (rest, rest.strip_prefix(':')) {
        ("", _) => Ok((host, None)),
        (_, Some(port)) => Ok((host, Some(port))),
        _ => Err(TargetFault::Host),
    }
}

/// A DNS name or an IP address without brackets.
pub fn is_host(text: &str) -> bool {
    let label = |label: &str| {
        (1..=LABEL_BYTES_MAX).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.parse::<IpAddr>().is_ok() || (text.len() <= NAME_BYTES_MAX && text.split('.').all(label))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> (bool, String, u16, String) {
        let HttpTarget { tls, host, port, path } = HttpTarget::parse(url).unwrap();
        (tls, host, port, path)
    }

    #[test]
    fn addresses_are_read_as_people_write_them() {
        for (url, expected) in [
            ("https://siths.example.test", (true, "siths.example.test", 443, "/")),
            ("HTTP://Siths.Example.Test/a?b=c", (false, "siths.example.test", 80, "/a?b=c")),
            ("https://10.0.0.1:8443/x", (true, "10.0.0.1", 8443, "/x")),
            ("https://[2001:db8::1]:8443?q", (true, "2001:db8::1", 8443, "/?q")),
            ("http://[::1]/", (false, "::1", 80, "/")),
            ("https://a.example.test/x@y", (true, "a.example.test", 443, "/x@y")),
        ] {
            let (tls, host, port, path) = expected;
            assert_eq!(target(url), (tls, host.to_owned(), port, path.to_owned()), "{url}");
        }
    }

    #[test]
    fn what_cannot_be_looked_at_is_refused_with_its_reason() {
        for (url, fault) in [
            ("siths.example.test", TargetFault::Scheme),
            ("file:///etc/passwd", TargetFault::Scheme),
            ("https://user:secret@siths.example.test/", TargetFault::UserInfo),
            ("https://user@siths.example.test/", TargetFault::UserInfo),
            ("https:///x", TargetFault::Host),
            ("https://-a.example.test/", TargetFault::Host),
            ("https://[::1/", TargetFault::Host),
            ("https://[::1]x/", TargetFault::Host),
            ("https://a:0/", TargetFault::Port),
            ("https://a:99999/", TargetFault::Port),
            ("https://a:/", TargetFault::Port),
            ("https://a/å", TargetFault::Characters),
            ("https://a/x y", TargetFault::Characters),
            ("https://a/#x", TargetFault::Characters),
            ("https://a\\b/", TargetFault::Characters),
        ] {
            assert_eq!(HttpTarget::parse(url), Err(fault), "{url}");
        }
    }

    #[test]
    fn a_redirect_stays_with_the_host_and_in_tls() {
        let at = |url: &str| HttpTarget::parse(url).unwrap();
        let from = at("https://a.example.test:8443/x");
        assert_eq!(from.redirected("/y?z"), Some(at("https://a.example.test:8443/y?z")));
        assert_eq!(from.redirected("https://A.example.test/"), Some(at("https://a.example.test/")));
        assert_eq!(from.redirected("https://b.example.test/"), None);
        assert_eq!(from.redirected("//b.example.test/"), None);
        assert_eq!(from.redirected("http://a.example.test/"), None);
        assert_eq!(from.redirected("y"), None);
        let plain = at("http://a.example.test/x");
        assert_eq!(plain.redirected("https://a.example.test/x"), Some(at("https://a.example.test/x")));
    }

    #[test]
    fn the_host_header_names_the_port_only_where_it_must() {
        for (url, expected) in
            [("https://a/", "a"), ("http://a:443/", "a:443"), ("https://[::1]:8443/", "[::1]:8443"), ("http://a", "a")]
        {
            assert_eq!(HttpTarget::parse(url).unwrap().authority(), expected);
        }
    }
}
