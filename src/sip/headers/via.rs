//! Via values.
//!
//! Owns `Via`. Read first: RFC 3261 §18.2, §20.42; RFC 3581; RFC 5118 §4.5.

use std::net::IpAddr;

use crate::sip::error::Cause;
use crate::sip::grammar::{self, HOST, PARAMS_MAX, Params, TOKEN};
use crate::sip::scan;
use crate::sip::uri::{self, Host};

/// One Via value (RFC 3261 §20.42, RFC 3581).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Via<'a> {
    /// The transport token as written.
    pub transport: &'a [u8],
    /// sent-by's host.
    pub host: Host<'a>,
    /// sent-by's port.
    pub port: Option<u16>,
    /// The branch parameter; `None` or without the cookie `z9hG4bK` for RFC 2543 peers.
    pub branch: Option<&'a [u8]>,
    /// Whether `rport` stands there.
    pub rport: bool,
    /// Whether `received` or `rport` stands there: an answer says both anew.
    pub placed: bool,
    /// All parameters as written, from the first `;` on; empty when absent.
    pub params: &'a [u8],
    /// The whole value as written.
    pub raw: &'a [u8],
}

/// RFC 3261 §8.1.1.7: what a branch of ours and of every RFC 3261 peer starts with.
pub const MAGIC_COOKIE: &[u8] = b"z9hG4bK";

impl<'a> Via<'a> {
    /// Reads one value of `SIP/2.0`.
    pub fn read(value: &'a [u8]) -> Result<Self, Cause> {
        let (via, version) = Self::read_any_version(value)?;
        if version == b"2.0" { Ok(via) } else { Err(Cause::HeaderValue) }
    }

    /// Reads one value of any version of SIP: a 505 needs the host, port and branch of a Via from the future.
    pub(crate) fn read_any_version(value: &'a [u8]) -> Result<(Self, &'a [u8]), Cause> {
        let raw = grammar::trim(value);
        let (protocol, rest) = grammar::run(TOKEN, raw);
        let (version, rest) = grammar::run(TOKEN, after_slash(rest)?);
        let (transport, rest) = grammar::run(TOKEN, after_slash(rest)?);
        let spaced = grammar::trim_start(rest);
        if !protocol.eq_ignore_ascii_case(b"SIP")
            || version.is_empty()
            || transport.is_empty()
            || spaced.len() == rest.len()
        {
            return Err(Cause::HeaderValue);
        }
        let (host, rest) = sent_by_host(spaced)?;
        let rest = grammar::trim_start(rest);
        let (port, params) = match rest.split_first() {
            Some((b':', tail)) => {
                let tail = grammar::trim_start(tail);
                let end = tail.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(tail.len());
                let (digits, rest) = tail.split_at_checked(end).ok_or(Cause::HeaderValue)?;
                (Some(uri::port(digits)?), grammar::trim_start(rest))
            }
            Some(_) | None => (None, rest),
        };
        let mut via = Self { transport, host, port, branch: None, rport: false, placed: false, params, raw };
        via.read_params()?;
        Ok((via, version))
    }

    fn read_params(&mut self) -> Result<(), Cause> {
        for (at, param) in Params::new(self.params).enumerate() {
            let param = param?;
            if at >= PARAMS_MAX {
                return Err(Cause::Oversize);
            }
            if param.is("branch") {
                // A second branch would let two readers see two transactions.
                if self.branch.is_some() || param.value.is_none() {
                    return Err(Cause::HeaderValue);
                }
                self.branch = param.value;
            } else if param.is("rport") {
                (self.rport, self.placed) = (true, true);
            } else if param.is("received") {
                self.placed = true;
            }
        }
        Ok(())
    }

    /// A parameter's value (ASCII case-insensitive name); `Some(b"")` for one without a value.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&'a [u8]> {
        grammar::param(self.params, name)
    }

    /// The address in `received`; IPv6 with or without brackets (RFC 5118 §4.5). `None` when absent or no address.
    #[must_use]
    pub fn received(&self) -> Option<IpAddr> {
        uri::address(self.param("received")?)
    }

    /// The port in `rport`, when it has a value.
    #[must_use]
    pub fn rport_value(&self) -> Option<u16> {
        uri::port(self.param("rport")?).ok()
    }

    /// `maddr`: a host.
    #[must_use]
    pub fn maddr(&self) -> Option<Host<'a>> {
        Host::read(self.param("maddr")?).ok()
    }

    /// `ttl`: 0 to 255.
    #[must_use]
    pub fn ttl(&self) -> Option<u8> {
        grammar::decimal(self.param("ttl")?).and_then(|ttl| u8::try_from(ttl).ok())
    }

    /// Whether the branch was made by an RFC 3261 peer: the cookie and something behind it. The bare cookie would join
    /// requests that have nothing to do with each other (RFC 4475 §3.2.1).
    #[must_use]
    pub fn has_cookie(&self) -> bool {
        self.branch
            .is_some_and(|branch| branch.len() > MAGIC_COOKIE.len() && branch.starts_with(MAGIC_COOKIE))
    }
}

/// After `LWS / LWS`.
fn after_slash(rest: &[u8]) -> Result<&[u8], Cause> {
    match grammar::trim_start(rest).split_first() {
        Some((b'/', rest)) => Ok(grammar::trim_start(rest)),
        Some(_) | None => Err(Cause::HeaderValue),
    }
}

fn sent_by_host(rest: &[u8]) -> Result<(Host<'_>, &[u8]), Cause> {
    let end = if rest.first() == Some(&b'[') {
        scan::find(b']', rest).map_or(0, |close| close + 1)
    } else {
        grammar::run(HOST, rest).0.len()
    };
    let (host, rest) = rest.split_at_checked(end).ok_or(Cause::HeaderValue)?;
    Ok((Host::read(host).map_err(|_| Cause::HeaderValue)?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_odd_shapes_of_the_rfc_read() {
        let via = Via::read(
            b"SIP / 2.0 / UDP first.example.com: 4000;ttl=16 ;maddr=224.2.0.1 ;branch=z9hG4bKa7c6a8dlze.1",
        )
        .unwrap();
        assert_eq!(
            (via.transport, via.host, via.port),
            (&b"UDP"[..], Host::Name(b"first.example.com"), Some(4000))
        );
        assert_eq!((via.ttl(), via.maddr()), (Some(16), Host::read(b"224.2.0.1").ok()));
        assert_eq!(via.branch, Some(&b"z9hG4bKa7c6a8dlze.1"[..]));
        let via = Via::read(b"SIP  /   2.0\r\n /UDP\r\n    192.0.2.2;branch=390skdjuw").unwrap();
        assert_eq!((via.branch, via.has_cookie()), (Some(&b"390skdjuw"[..]), false));
        let via =
            Via::read(b"SIP/2.0/TLS [2001:db8::9:1]:5061;rport=77;received=[2001:db8::9:255];branch=z9hG4bK")
                .unwrap();
        assert_eq!((via.port, via.rport, via.rport_value()), (Some(5061), true, Some(77)));
        assert_eq!(via.received(), "2001:db8::9:255".parse().ok());
        assert!(!via.has_cookie());
        let via = Via::read(b"SIP/2.0/UDP [2001:db8::9:1];received=2001:db8::9:255;branch=z9hG4bKas3;rport")
            .unwrap();
        assert_eq!(
            (via.received(), via.rport, via.rport_value()),
            ("2001:db8::9:255".parse().ok(), true, None)
        );
    }

    #[test]
    fn broken_values_are_refused() {
        for value in [
            "",
            "SIP/2.0/UDP",
            "SIP/2.0/UDP ",
            "SIP/2.0 UDP h",
            "HTTP/2.0/UDP h",
            "SIP/3.0/UDP h",
            "SIP/2.0/UDP 192.0.2.15;;,;,,",
            "SIP/2.0/UDP h;branch=a;branch=b",
            "SIP/2.0/UDP h;branch",
            "SIP/2.0/UDP h:",
            "SIP/2.0/UDP h:0",
            "SIP/2.0/UDP h:65536",
            "SIP/2.0/UDP h:5060x",
            "SIP/2.0/UDP 2001:db8::1",
            "SIP/2.0/UDP [2001:db8::1",
            "SIP/2.0/UDP 300.1.1.1",
            "SIP/2.0/UDP h x",
        ] {
            assert!(Via::read(value.as_bytes()).is_err(), "{value}");
        }
    }

    #[test]
    fn a_via_of_another_version_can_still_be_answered() {
        let (via, version) = Via::read_any_version(b"SIP/7.0/UDP c.example.com;branch=z9hG4bKkdjuw").unwrap();
        assert_eq!((version, via.branch), (&b"7.0"[..], Some(&b"z9hG4bKkdjuw"[..])));
    }
}
