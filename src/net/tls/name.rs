//! Who a certificate says it is: the identities it holds, and whether one of them is the one that is wanted.
//!
//! Owns the comparison. Refuses to know who signed it. The subject's common name is never read.
//! Read first: RFC 5922 §7.1, §7.2; RFC 5280 §4.2.1.6; RFC 6125 §6.4.3 (wildcards).

use std::fmt;
use std::net::IpAddr;

use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// A name that a peer may prove.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Name {
    /// A host or domain, in small letters, without the root's dot.
    Domain(Box<str>),
    /// An address, where a peer has no name.
    Address(IpAddr),
}

impl Name {
    /// The name of a host as written; brackets around an IPv6 address are no part of it.
    #[must_use]
    pub fn of(host: &str) -> Self {
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        match bare.parse::<IpAddr>() {
            Ok(address) => Self::Address(address.to_canonical()),
            Err(_) => Self::Domain(bare.trim_end_matches('.').to_ascii_lowercase().into_boxed_str()),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Domain(domain) => f.write_str(domain),
            Self::Address(address) => write!(f, "{address}"),
        }
    }
}

/// What a certificate says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identities {
    /// Domains, in small letters; a wildcard keeps its `*.`.
    pub domains: Vec<String>,
    /// Addresses.
    pub addresses: Vec<IpAddr>,
}

impl Identities {
    /// Reads them from a certificate's DER. `None` where it cannot be read.
    #[must_use]
    pub fn read(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let Some(names) = certificate.subject_alternative_name().ok()? else { return Some(Self::default()) };
        let (mut sip, mut dns, mut addresses) = (Vec::new(), Vec::new(), Vec::new());
        for name in &names.value.general_names {
            if let GeneralName::URI(uri) = name {
                sip.extend(sip_domain(uri));
            } else if let GeneralName::DNSName(domain) = name {
                dns.push(domain.trim_end_matches('.').to_ascii_lowercase());
            } else if let GeneralName::IPAddress(octets) = name {
                addresses.extend(address(octets));
            }
        }
        // RFC 5922 §7.1: a DNS name is a SIP domain identity if and only if no sip URI stands there.
        Some(Self { domains: if sip.is_empty() { dns } else { sip }, addresses })
    }

    /// Whether one of them is the wanted one. A wildcard stands for one whole label, and only where it is tolerated:
    /// RFC 5922 §7.2 allows none.
    #[must_use]
    pub fn prove(&self, wanted: &Name, wildcard: bool) -> bool {
        match wanted {
            Name::Address(address) => self.addresses.contains(address),
            Name::Domain(wanted) => self.domains.iter().any(|domain| {
                let covered = || {
                    let (label, rest) = wanted.split_once('.')?;
                    let parent = domain.strip_prefix("*.")?;
                    Some(!label.is_empty() && parent.contains('.') && rest == parent)
                };
                **domain == **wanted || wildcard && covered().unwrap_or(false)
            }),
        }
    }

    /// All of them, as text.
    #[must_use]
    pub fn told(&self) -> Vec<String> {
        self.domains.iter().cloned().chain(self.addresses.iter().map(ToString::to_string)).collect()
    }
}

/// RFC 5922 §7.1: the host of a sip URI without a user part; other schemes name no SIP domain.
fn sip_domain(uri: &str) -> Option<String> {
    let (scheme, rest) = uri.split_once(':')?;
    if !scheme.eq_ignore_ascii_case("sip") || rest.contains('@') {
        return None;
    }
    let host = rest.split([';', '?', ':']).next()?.trim_end_matches('.');
    (!host.is_empty()).then(|| host.to_ascii_lowercase())
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    four.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from))
        .ok()
        .map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, SanType};

    fn certificate(names: &[&str], uris: &[&str]) -> Identities {
        let mut params =
            CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
        params.subject_alt_names.extend(uris.iter().map(|uri| SanType::URI((*uri).try_into().unwrap())));
        params.distinguished_name.push(rcgen::DnType::CommonName, "cn.example.com");
        let made = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        Identities::read(made.der()).unwrap()
    }

    #[test]
    fn rfc_5922_names() {
        type Row = (&'static [&'static str], &'static [&'static str], &'static str, bool, bool);
        let table: &[Row] = &[
            // DNS names count where no sip URI stands.
            (&["sip.example.com"], &[], "sip.example.com", false, true),
            (&["sip.example.com"], &[], "SIP.Example.COM.", false, true),
            (&["sip.example.com"], &[], "example.com", false, false),
            (&["example.com"], &[], "sip.example.com", false, false),
            // A sip URI is the identity, and then DNS names are none.
            (&["host.example.com"], &["sip:example.com"], "example.com", false, true),
            (&["host.example.com"], &["sip:example.com"], "host.example.com", false, false),
            (&["host.example.com"], &["sip:example.com:5061;transport=tls"], "example.com", false, true),
            // A user's URI, and any other scheme, name no domain.
            (&["host.example.com"], &["sip:alice@example.com"], "host.example.com", false, true),
            (
                &["host.example.com"],
                &["sips:example.com", "https://example.com"],
                "example.com",
                false,
                false,
            ),
            // The common name never counts.
            (&[], &[], "cn.example.com", true, false),
            // Wildcards only where tolerated, for one label, and never for a whole top level.
            (&["*.pstn.twilio.com"], &[], "mine.pstn.twilio.com", false, false),
            (&["*.pstn.twilio.com"], &[], "mine.pstn.twilio.com", true, true),
            (&["*.pstn.twilio.com"], &[], "pstn.twilio.com", true, false),
            (&["*.pstn.twilio.com"], &[], "a.b.pstn.twilio.com", true, false),
            (&["*.com"], &[], "twilio.com", true, false),
            // Addresses, where that is all a peer has.
            (&["192.0.2.1"], &[], "192.0.2.1", false, true),
            (&["192.0.2.1"], &[], "::ffff:192.0.2.1", false, true),
            (&["2001:db8::1"], &[], "[2001:db8::1]", false, true),
            (&["192.0.2.1"], &[], "192.0.2.2", true, false),
        ];
        for (names, uris, wanted, wildcard, proven) in table {
            let identities = certificate(names, uris);
            assert_eq!(
                identities.prove(&Name::of(wanted), *wildcard),
                *proven,
                "{names:?} {uris:?} for {wanted}: {identities:?}"
            );
        }
        assert_eq!(Identities::read(b"no certificate"), None);
    }
}
