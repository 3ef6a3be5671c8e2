//! The header names we have a word for.
//!
//! Owns the list, both spellings of each, and the lookup. Read first: RFC 3261 §7.3.3, §20.

macro_rules! header_names {
    ($( $word:ident = $long:literal $(| $short:literal)?, )*) => {
        /// A header we have a word for (long and compact names are one); `Unknown` for the rest.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[allow(missing_docs)]
        #[repr(u8)]
        pub enum HeaderName {
            $( $word, )*
            /// No word of ours; `Header::raw_name` has it.
            Unknown,
        }

        impl HeaderName {
            /// Every word, `Unknown` left out.
            pub const ALL: &'static [Self] = &[ $( Self::$word, )* ];

            /// The name as we write it (long form, the RFC's case); empty for `Unknown`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $( Self::$word => $long, )*
                    Self::Unknown => "",
                }
            }
        }

        const SPELLINGS: &[(&str, HeaderName)] = &[
            $( ($long, HeaderName::$word), $( ($short, HeaderName::$word), )? )*
        ];
    };
}

header_names! {
    Accept = "Accept",
    AcceptEncoding = "Accept-Encoding",
    AcceptLanguage = "Accept-Language",
    AlertInfo = "Alert-Info",
    Allow = "Allow",
    AllowEvents = "Allow-Events" | "u",
    AuthenticationInfo = "Authentication-Info",
    Authorization = "Authorization",
    CallId = "Call-ID" | "i",
    CallInfo = "Call-Info",
    Contact = "Contact" | "m",
    ContentDisposition = "Content-Disposition",
    ContentEncoding = "Content-Encoding" | "e",
    ContentId = "Content-ID",
    ContentLanguage = "Content-Language",
    ContentLength = "Content-Length" | "l",
    ContentType = "Content-Type" | "c",
    CSeq = "CSeq",
    Date = "Date",
    Diversion = "Diversion",
    ErrorInfo = "Error-Info",
    Event = "Event" | "o",
    Expires = "Expires",
    From = "From" | "f",
    Geolocation = "Geolocation",
    GeolocationRouting = "Geolocation-Routing",
    HistoryInfo = "History-Info",
    Identity = "Identity" | "y",
    InReplyTo = "In-Reply-To",
    InfoPackage = "Info-Package",
    Join = "Join",
    MaxForwards = "Max-Forwards",
    MimeVersion = "MIME-Version",
    MinExpires = "Min-Expires",
    MinSe = "Min-SE",
    Organization = "Organization",
    PAccessNetworkInfo = "P-Access-Network-Info",
    PAssertedIdentity = "P-Asserted-Identity",
    PCalledPartyId = "P-Called-Party-ID",
    PEarlyMedia = "P-Early-Media",
    PPreferredIdentity = "P-Preferred-Identity",
    Path = "Path",
    Priority = "Priority",
    Privacy = "Privacy",
    ProxyAuthenticate = "Proxy-Authenticate",
    ProxyAuthorization = "Proxy-Authorization",
    ProxyRequire = "Proxy-Require",
    RAck = "RAck",
    RSeq = "RSeq",
    Reason = "Reason",
    RecordRoute = "Record-Route",
    RecvInfo = "Recv-Info",
    ReferSub = "Refer-Sub",
    ReferTo = "Refer-To" | "r",
    ReferredBy = "Referred-By" | "b",
    RemotePartyId = "Remote-Party-ID",
    Replaces = "Replaces",
    ReplyTo = "Reply-To",
    Require = "Require",
    RetryAfter = "Retry-After",
    Route = "Route",
    Server = "Server",
    ServiceRoute = "Service-Route",
    SessionExpires = "Session-Expires" | "x",
    SessionId = "Session-ID",
    SipEtag = "SIP-ETag",
    SipIfMatch = "SIP-If-Match",
    Subject = "Subject" | "s",
    SubscriptionState = "Subscription-State",
    Supported = "Supported" | "k",
    TargetDialog = "Target-Dialog",
    Timestamp = "Timestamp",
    To = "To" | "t",
    Unsupported = "Unsupported",
    UserAgent = "User-Agent",
    UserToUser = "User-to-User",
    Via = "Via" | "v",
    Warning = "Warning",
    WwwAuthenticate = "WWW-Authenticate",
}

const EMPTY: u8 = u8::MAX;
const LONGEST: usize = "P-Access-Network-Info".len();

/// Length, first, middle and last letter: enough to keep 95 spellings nearly apart in 256 slots.
#[inline]
const fn slot(name: &[u8]) -> u8 {
    let length = name.len();
    if length == 0 {
        return 0;
    }
    let (first, middle, last) = (name[0] | 0x20, name[length / 2] | 0x20, name[length - 1] | 0x20);
    (length as u8)
        .wrapping_mul(31)
        .wrapping_add(first.wrapping_mul(17))
        .wrapping_add(middle.wrapping_mul(5))
        .wrapping_add(last)
}

/// Open addressing, made while compiling.
static SLOTS: [u8; 256] = {
    let mut slots = [EMPTY; 256];
    let mut at = 0;
    while at < SPELLINGS.len() {
        let mut place = slot(SPELLINGS[at].0.as_bytes());
        while slots[place as usize] != EMPTY {
            place = place.wrapping_add(1);
        }
        slots[place as usize] = at as u8;
        at += 1;
    }
    slots
};

impl HeaderName {
    /// The word for a name as written, long or compact, any case.
    #[must_use]
    pub fn read(name: &[u8]) -> Self {
        if name.is_empty() || name.len() > LONGEST {
            return Self::Unknown;
        }
        let mut place = slot(name);
        while let Some((spelling, word)) = SPELLINGS.get(usize::from(SLOTS[place as usize])) {
            // Most peers write the RFC's case: one comparison of memory then.
            if name == spelling.as_bytes() || name.eq_ignore_ascii_case(spelling.as_bytes()) {
                return *word;
            }
            place = place.wrapping_add(1);
        }
        Self::Unknown
    }

    /// Its bit in a set of names.
    pub(crate) const fn bit(self) -> u128 {
        1 << self as u8
    }
}

/// Headers of which a request may hold one line only. Two of them and two readers may pick different ones.
pub(crate) const SINGLE_IN_REQUEST: u128 = SINGLE_ALWAYS
    | HeaderName::ContentDisposition.bit()
    | HeaderName::Date.bit()
    | HeaderName::Event.bit()
    | HeaderName::Expires.bit()
    | HeaderName::Join.bit()
    | HeaderName::MinExpires.bit()
    | HeaderName::MinSe.bit()
    | HeaderName::PCalledPartyId.bit()
    | HeaderName::RAck.bit()
    | HeaderName::RSeq.bit()
    | HeaderName::ReferSub.bit()
    | HeaderName::ReferTo.bit()
    | HeaderName::ReferredBy.bit()
    | HeaderName::Replaces.bit()
    | HeaderName::SessionExpires.bit()
    | HeaderName::SipIfMatch.bit()
    | HeaderName::SubscriptionState.bit()
    | HeaderName::TargetDialog.bit();

/// Headers of which any message may hold one line only.
pub(crate) const SINGLE_ALWAYS: u128 = HeaderName::CallId.bit()
    | HeaderName::ContentType.bit()
    | HeaderName::CSeq.bit()
    | HeaderName::From.bit()
    | HeaderName::MaxForwards.bit()
    | HeaderName::To.bit();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_in_any_case_reads_as_its_word() {
        for (spelling, word) in SPELLINGS {
            assert!(spelling.len() <= LONGEST);
            for written in [spelling.to_string(), spelling.to_lowercase(), spelling.to_uppercase()] {
                assert_eq!(HeaderName::read(written.as_bytes()), *word, "{written}");
            }
        }
    }

    #[test]
    fn what_we_write_reads_back() {
        for word in HeaderName::ALL {
            assert_eq!(HeaderName::read(word.as_str().as_bytes()), *word);
        }
        assert_eq!(HeaderName::Unknown.as_str(), "");
    }

    #[test]
    fn other_names_are_unknown() {
        for name in
            ["", "Vi", "Via ", "C%6Fntact", "z", "X-Via", "Callid", "Content_Length", &"a".repeat(300)]
        {
            assert_eq!(HeaderName::read(name.as_bytes()), HeaderName::Unknown, "{name}");
        }
    }
}
