//! Views as ranges: what the reader has read once, so that a message need not read it again.
//!
//! Owns the ranges of a name-addr, a URI and a Via over a message's bytes. Refuses to check anything.
//! Read first: `message.rs`, `span.rs`.

use super::headers::{NameAddr, Via};
use super::span::Span;
use super::uri::{Host, SipUri, Uri};

/// A name-addr as ranges.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NameAddrSpans {
    display: Span,
    uri: Span,
    params: Span,
    pub tag: Option<Span>,
}

impl NameAddrSpans {
    pub fn new(bytes: &[u8], read: &NameAddr<'_>, tag: Option<&[u8]>) -> Self {
        Self {
            display: Span::of(bytes, read.display),
            uri: Span::of(bytes, read.raw_uri),
            params: Span::of(bytes, read.params),
            tag: tag.map(|tag| Span::of(bytes, tag)),
        }
    }

    pub fn view<'a>(&self, bytes: &'a [u8]) -> NameAddr<'a> {
        NameAddr {
            display: self.display.slice(bytes),
            raw_uri: self.uri.slice(bytes),
            params: self.params.slice(bytes),
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum HostSpan {
    Address(std::net::IpAddr),
    Name(Span),
}

impl HostSpan {
    fn new(bytes: &[u8], host: Host<'_>) -> Self {
        match host {
            Host::Address(address) => Self::Address(address),
            Host::Name(name) => Self::Name(Span::of(bytes, name)),
        }
    }

    fn view(self, bytes: &[u8]) -> Host<'_> {
        match self {
            Self::Address(address) => Host::Address(address),
            Self::Name(name) => Host::Name(name.slice(bytes)),
        }
    }
}

/// A URI as ranges.
#[derive(Debug, Clone, Copy)]
pub(crate) enum UriSpans {
    Sip {
        secure: bool,
        user: Option<Span>,
        password: Option<Span>,
        host: HostSpan,
        port: Option<u16>,
        params: Span,
        headers: Span,
    },
    Tel {
        number: Span,
        params: Span,
    },
    Urn(Span),
    Other(Span),
}

impl UriSpans {
    pub fn new(bytes: &[u8], uri: &Uri<'_>) -> Self {
        let of = |part| Span::of(bytes, part);
        match uri {
            Uri::Sip(sip) => Self::Sip {
                secure: sip.secure,
                user: sip.user.map(of),
                password: sip.password.map(of),
                host: HostSpan::new(bytes, sip.host),
                port: sip.port,
                params: of(sip.params),
                headers: of(sip.headers),
            },
            Uri::Tel { number, params } => Self::Tel { number: of(number), params: of(params) },
            Uri::Urn(name) => Self::Urn(of(name)),
            Uri::Other(whole) => Self::Other(of(whole)),
        }
    }

    pub fn view<'a>(&self, bytes: &'a [u8]) -> Uri<'a> {
        match *self {
            Self::Sip { secure, user, password, host, port, params, headers } => Uri::Sip(SipUri {
                secure,
                user: user.map(|user| user.slice(bytes)),
                password: password.map(|password| password.slice(bytes)),
                host: host.view(bytes),
                port,
                params: params.slice(bytes),
                headers: headers.slice(bytes),
            }),
            Self::Tel { number, params } => {
                Uri::Tel { number: number.slice(bytes), params: params.slice(bytes) }
            }
            Self::Urn(name) => Uri::Urn(name.slice(bytes)),
            Self::Other(whole) => Uri::Other(whole.slice(bytes)),
        }
    }
}

/// A Via value as ranges.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ViaSpans {
    transport: Span,
    host: HostSpan,
    port: Option<u16>,
    branch: Option<Span>,
    rport: bool,
    placed: bool,
    params: Span,
    raw: Span,
}

impl ViaSpans {
    pub fn new(bytes: &[u8], via: &Via<'_>) -> Self {
        Self {
            transport: Span::of(bytes, via.transport),
            host: HostSpan::new(bytes, via.host),
            port: via.port,
            branch: via.branch.map(|branch| Span::of(bytes, branch)),
            rport: via.rport,
            placed: via.placed,
            params: Span::of(bytes, via.params),
            raw: Span::of(bytes, via.raw),
        }
    }

    pub fn view<'a>(&self, bytes: &'a [u8]) -> Via<'a> {
        Via {
            transport: self.transport.slice(bytes),
            host: self.host.view(bytes),
            port: self.port,
            branch: self.branch.map(|branch| branch.slice(bytes)),
            rport: self.rport,
            placed: self.placed,
            params: self.params.slice(bytes),
            raw: self.raw.slice(bytes),
        }
    }
}
