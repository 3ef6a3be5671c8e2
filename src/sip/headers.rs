//! Header names and the typed views of their values, parsed on demand.
//!
//! Owns the views. Read first: RFC 3261 §20, §25.

use super::message::Method;
use super::uri::{Host, Uri};

/// A header we have a word for (long and compact names are one); `Unknown` for the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum HeaderName {
    Accept,
    AcceptEncoding,
    AcceptLanguage,
    AlertInfo,
    Allow,
    AllowEvents,
    AuthenticationInfo,
    Authorization,
    CallId,
    CallInfo,
    Contact,
    ContentDisposition,
    ContentEncoding,
    ContentId,
    ContentLanguage,
    ContentLength,
    ContentType,
    CSeq,
    Date,
    Diversion,
    ErrorInfo,
    Event,
    Expires,
    From,
    Geolocation,
    GeolocationRouting,
    HistoryInfo,
    Identity,
    InReplyTo,
    InfoPackage,
    Join,
    MaxForwards,
    MimeVersion,
    MinExpires,
    MinSe,
    Organization,
    PAccessNetworkInfo,
    PAssertedIdentity,
    PCalledPartyId,
    PEarlyMedia,
    PPreferredIdentity,
    Path,
    Priority,
    Privacy,
    ProxyAuthenticate,
    ProxyAuthorization,
    ProxyRequire,
    RAck,
    RSeq,
    Reason,
    RecordRoute,
    RecvInfo,
    ReferTo,
    ReferredBy,
    RemotePartyId,
    Replaces,
    ReplyTo,
    Require,
    RetryAfter,
    Route,
    Server,
    ServiceRoute,
    SessionExpires,
    SessionId,
    SipEtag,
    SipIfMatch,
    Subject,
    SubscriptionState,
    Supported,
    TargetDialog,
    Timestamp,
    To,
    Unsupported,
    UserAgent,
    UserToUser,
    Via,
    Warning,
    WwwAuthenticate,
    /// No word of ours; `Header::raw_name` has it.
    Unknown,
}

impl HeaderName {
    /// The name as we write it (long form, the RFC's case); empty for `Unknown`.
    pub fn as_str(self) -> &'static str {
        todo!()
    }
    /// The word for a name as written, long or compact, any case.
    pub fn read(name: &[u8]) -> Self {
        let _ = name;
        todo!()
    }
}

/// CSeq (RFC 3261 §20.16).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CSeq<'a> {
    /// Below 2^31.
    pub number: u32,
    /// Its method.
    pub method: &'a Method,
}

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
    /// The whole value as written.
    pub raw: &'a [u8],
}

/// A name-addr or addr-spec with header parameters: From, To, Contact, Route, P-Asserted-Identity, Refer-To ...
#[derive(Debug, Clone, Copy)]
pub struct NameAddr<'a> {
    /// The display name as written, quotes included; empty when absent.
    pub display: &'a [u8],
    /// The URI as written, without brackets.
    pub raw_uri: &'a [u8],
    /// Header parameters as written, from the first `;` on; empty when absent.
    pub params: &'a [u8],
}

impl<'a> NameAddr<'a> {
    /// Reads one value.
    pub fn read(value: &'a [u8]) -> Result<Self, super::error::Cause> {
        let _ = value;
        todo!()
    }
    /// The URI read.
    pub fn uri(&self) -> Result<Uri<'a>, super::error::Cause> {
        todo!()
    }
    /// A header parameter's value (ASCII case-insensitive name); `Some(b"")` for one without a value.
    pub fn param(&self, name: &str) -> Option<&'a [u8]> {
        let _ = name;
        todo!()
    }
    /// The tag parameter.
    pub fn tag(&self) -> Option<&'a [u8]> {
        self.param("tag")
    }
}
