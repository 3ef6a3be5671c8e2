//! What crosses from one leg to the other: a table, and the only code that copies a header across.
//!
//! Owns the allowlist. Topology is hidden because whatever is not named here stays behind.
//! Read first: RFC 3261 §20; RFC 7092 §3; RFC 3326.

use super::asserted::{self, Between};
use super::meaning;
use crate::policy::PeerSide;
use crate::sip::{HeaderName, Message, Text, Writer};

/// How a header is treated in one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Crossing {
    /// Made anew for each leg from what was judged.
    Rebuilt,
    /// Made anew where both peers are trusted with it (`asserted_identity`), else left behind.
    Trusted,
    /// Copied as it came.
    Crosses,
    /// Stays behind; `pass_headers` of the receiving peer may open it.
    Stays,
}

impl Crossing {
    /// The word of the README's table.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Rebuilt => "rebuilt",
            Self::Trusted => "by trust",
            Self::Crosses => "crosses",
            Self::Stays => "stays",
        }
    }
}

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The header.
    pub header: HeaderName,
    /// From inside to outside.
    pub outward: Crossing,
    /// From outside to inside.
    pub inward: Crossing,
    /// Why.
    pub why: &'static str,
}

const fn row(header: HeaderName, outward: Crossing, inward: Crossing, why: &'static str) -> Row {
    Row { header, outward, inward, why }
}

use Crossing::{Crosses, Rebuilt, Stays, Trusted};

/// The table. A header without a row stays behind in both directions.
pub const TABLE: &[Row] = &[
    row(HeaderName::Via, Rebuilt, Rebuilt, "each leg is a transaction of its own"),
    row(
        HeaderName::From,
        Rebuilt,
        Rebuilt,
        "the caller that was judged, as the peer wants it; nobody, where it is hidden",
    ),
    row(HeaderName::To, Rebuilt, Rebuilt, "the number that was judged, as the peer wants it"),
    row(HeaderName::CallId, Rebuilt, Rebuilt, "each leg is a dialog of its own"),
    row(HeaderName::CSeq, Rebuilt, Rebuilt, "each leg counts for itself"),
    row(HeaderName::Contact, Rebuilt, Rebuilt, "hides the addresses of the other side"),
    row(HeaderName::MaxForwards, Rebuilt, Rebuilt, "carried and lowered by one (RFC 7332)"),
    row(HeaderName::Route, Rebuilt, Rebuilt, "each leg has its own route set"),
    row(HeaderName::RecordRoute, Rebuilt, Rebuilt, "each leg has its own route set"),
    row(HeaderName::ContentLength, Rebuilt, Rebuilt, "counted anew"),
    row(HeaderName::Allow, Rebuilt, Rebuilt, "says what this edge carries"),
    row(HeaderName::Supported, Rebuilt, Rebuilt, "extensions are let in by name (`extensions`)"),
    row(
        HeaderName::Require,
        Rebuilt,
        Rebuilt,
        "met by this edge on each leg; what is not let in is refused with 420",
    ),
    row(HeaderName::RSeq, Rebuilt, Rebuilt, "each leg counts its reliable responses for itself (RFC 3262)"),
    row(HeaderName::RAck, Rebuilt, Rebuilt, "names the response of its own leg (RFC 3262)"),
    row(HeaderName::ProxyRequire, Rebuilt, Rebuilt, "what we do not do is refused with 420"),
    row(HeaderName::ContentType, Rebuilt, Rebuilt, "says what the body is: type, and parameters known"),
    row(
        HeaderName::ContentDisposition,
        Rebuilt,
        Rebuilt,
        "says what the body is for: type and handling alone",
    ),
    row(HeaderName::ContentLanguage, Rebuilt, Rebuilt, "belongs to the body: language tags alone"),
    row(HeaderName::MimeVersion, Rebuilt, Rebuilt, "belongs to the body: the number alone"),
    row(HeaderName::ContentEncoding, Rebuilt, Rebuilt, "an encoded body is refused with 415"),
    row(HeaderName::InfoPackage, Crosses, Crosses, "says what an INFO is for (RFC 6086)"),
    row(
        HeaderName::Reason,
        Crosses,
        Crosses,
        "why a call was ended (RFC 3326): protocol, cause, and a text that names no place",
    ),
    row(HeaderName::RetryAfter, Crosses, Crosses, "when to try again: the number alone"),
    row(
        HeaderName::Privacy,
        Rebuilt,
        Rebuilt,
        "a hidden caller stays hidden (RFC 3323): the words known, and id",
    ),
    row(HeaderName::AlertInfo, Stays, Stays, "makes phones answer by themselves or fetch addresses"),
    row(HeaderName::CallInfo, Stays, Stays, "makes phones answer by themselves or fetch addresses"),
    row(
        HeaderName::PAssertedIdentity,
        Trusted,
        Trusted,
        "the caller that was judged, who was reached (RFC 3325, 4916)",
    ),
    row(HeaderName::PEarlyMedia, Trusted, Trusted, "its words alone (RFC 5009)"),
    row(HeaderName::PPreferredIdentity, Stays, Stays, "trust ends at the edge (RFC 3325)"),
    row(HeaderName::RemotePartyId, Stays, Stays, "trust ends at the edge; `caller_in` may read it"),
    row(HeaderName::Diversion, Stays, Stays, "rebuilt at our host where `pass_headers` opens it"),
    row(HeaderName::HistoryInfo, Stays, Stays, "rebuilt at our host where `pass_headers` opens it"),
    row(HeaderName::Identity, Stays, Stays, "covers numbers that are rebuilt"),
    row(HeaderName::Authorization, Stays, Stays, "credentials never leave their leg"),
    row(HeaderName::ProxyAuthorization, Stays, Stays, "credentials never leave their leg"),
    row(HeaderName::WwwAuthenticate, Stays, Stays, "a challenge is for us, never for the other side"),
    row(HeaderName::ProxyAuthenticate, Stays, Stays, "a challenge is for us, never for the other side"),
    row(HeaderName::UserAgent, Stays, Stays, "tells an attacker what to attack"),
    row(HeaderName::Server, Stays, Stays, "tells an attacker what to attack"),
    row(HeaderName::Organization, Stays, Stays, "names the inside"),
    row(HeaderName::Warning, Stays, Stays, "names hosts of the other side"),
    row(HeaderName::Date, Stays, Stays, "a phone may set its clock by it"),
    row(HeaderName::Replaces, Stays, Stays, "names dialogs of the other side"),
    row(
        HeaderName::ReferTo,
        Rebuilt,
        Rebuilt,
        "the number that was judged, where `transfers` lets it be told; its headers never cross",
    ),
    row(HeaderName::ReferSub, Rebuilt, Rebuilt, "whether a transfer is told of: false or nothing (RFC 4488)"),
    row(HeaderName::ReferredBy, Stays, Stays, "names the inside, and nothing proves it"),
    row(
        HeaderName::Event,
        Rebuilt,
        Rebuilt,
        "of a transfer alone, with the number of its own leg (RFC 3515)",
    ),
    row(HeaderName::SubscriptionState, Rebuilt, Rebuilt, "how a transfer stands: its words alone (RFC 3515)"),
    row(HeaderName::SessionExpires, Stays, Stays, "session timers belong to a leg"),
    row(HeaderName::MinSe, Stays, Stays, "session timers belong to a leg"),
];

/// More than there are header names; a table that did not hold one of them would not compile.
const NAMES_MAX: usize = 128;

/// The table by header, outward and inward: every header of every message is looked up, and four lines of cache hold all.
static CROSSINGS: [(Crossing, Crossing); NAMES_MAX] = {
    let mut crossings = [(Stays, Stays); NAMES_MAX];
    let mut at = 0;
    while at < TABLE.len() {
        let row = &TABLE[at];
        crossings[row.header as usize] = (row.outward, row.inward);
        at += 1;
    }
    crossings
};

/// How a header crosses towards a peer of `side`.
#[must_use]
pub fn crossing(header: HeaderName, side: PeerSide) -> Crossing {
    let (outward, inward) = CROSSINGS.get(header as usize).copied().unwrap_or((Stays, Stays));
    match side {
        PeerSide::Outside => outward,
        PeerSide::Inside => inward,
    }
}

/// Writes what crosses of a message between two peers. Headers that describe the body go only where the body goes.
pub fn cross(writer: &mut Writer, message: &Message, between: &Between<'_>, with_body: bool) {
    let mut diverted = [(HeaderName::Diversion, false), (HeaderName::HistoryInfo, false)];
    for header in message.headers() {
        let crosses = match crossing(header.name, between.to.side) {
            // By trust, and made anew below.
            Rebuilt | Trusted => false,
            Crosses if crosses_by_meaning(header.name) => false,
            Crosses => true,
            Stays => asserted::may_pass(between, header.name, header.raw_name),
        };
        if !crosses {
            continue;
        }
        match diverted.iter_mut().find(|(name, _)| *name == header.name) {
            Some((_, opened)) => *opened = true,
            // A line that holds a NUL cannot be written and stays behind; the reader let it in only inside quotes.
            None => {
                let _written = writer.copy(&header);
            }
        }
    }
    for (header, _) in diverted.into_iter().filter(|(_, opened)| *opened) {
        asserted::write_diverted(writer, header, message, between);
    }
    asserted::write(writer, message, between);
    cross_meanings(writer, message, between, with_body);
}

/// Whether its text may name the other side's hosts, so that it is written anew.
const fn crosses_by_meaning(header: HeaderName) -> bool {
    matches!(header, HeaderName::Reason | HeaderName::RetryAfter)
}

/// What crosses of those.
fn cross_meanings(writer: &mut Writer, message: &Message, between: &Between<'_>, with_body: bool) {
    for reason in message.values(HeaderName::Reason).take(meaning::REASONS_MAX) {
        line(writer, HeaderName::Reason, meaning::reason(reason));
    }
    let most = between.from.pace.hold_max;
    let seconds = message.header(HeaderName::RetryAfter).and_then(|value| meaning::retry_after(value, most));
    if let Some(seconds) = seconds {
        writer.number(HeaderName::RetryAfter, seconds);
    }
    if with_body {
        describe(writer, message);
    }
}

fn line(writer: &mut Writer, name: HeaderName, value: Option<Vec<u8>>) {
    if let Some(value) = value.as_deref().and_then(Text::new) {
        writer.header(name, value);
    }
}

/// Writes what describes the body of `message`, whose body goes too.
pub fn describe(writer: &mut Writer, message: &Message) {
    /// From a value to what it means.
    type Means = fn(&[u8]) -> Option<Vec<u8>>;
    let rows: [(HeaderName, Means); 4] = [
        (HeaderName::ContentType, meaning::media_type),
        (HeaderName::ContentDisposition, meaning::disposition),
        (HeaderName::ContentLanguage, meaning::languages),
        (HeaderName::MimeVersion, meaning::mime_version),
    ];
    for (name, means) in rows {
        line(writer, name, message.header(name).and_then(means));
    }
}

/// Whether `pass_headers` may name it: what is rebuilt cannot be passed.
#[must_use]
pub fn may_be_passed(header: HeaderName) -> bool {
    let ours = |crossing| matches!(crossing, Rebuilt | Trusted);
    !TABLE.iter().any(|row| row.header == header && (ours(row.outward) || ours(row.inward)))
        && !matches!(
            header,
            HeaderName::Authorization
                | HeaderName::ProxyAuthorization
                | HeaderName::WwwAuthenticate
                | HeaderName::ProxyAuthenticate
                | HeaderName::PPreferredIdentity
                | HeaderName::RemotePartyId
                | HeaderName::Replaces
        )
}

/// The table as the README prints it.
#[must_use]
pub fn table_markdown() -> String {
    let mut out = String::from("| header | PBX to trunk | trunk to PBX | why |\n| --- | --- | --- | --- |\n");
    for row in TABLE {
        let line = format!(
            "| {} | {} | {} | {} |\n",
            row.header.as_str(),
            row.outward.word(),
            row.inward.word(),
            row.why
        );
        out.push_str(&line);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_header_stands_twice_in_the_table() {
        for (at, row) in TABLE.iter().enumerate() {
            assert!(TABLE.iter().skip(at + 1).all(|other| other.header != row.header), "{:?}", row.header);
        }
    }

    #[test]
    fn what_is_rebuilt_or_secret_cannot_be_passed() {
        for header in [
            HeaderName::Via,
            HeaderName::Authorization,
            HeaderName::Replaces,
            HeaderName::PAssertedIdentity,
            HeaderName::RemotePartyId,
            HeaderName::PEarlyMedia,
        ] {
            assert!(!may_be_passed(header), "{header:?}");
        }
        assert!(may_be_passed(HeaderName::AlertInfo));
        assert!(may_be_passed(HeaderName::Subject));
    }

    #[test]
    fn a_header_without_a_row_stays() {
        assert_eq!(crossing(HeaderName::Unknown, PeerSide::Inside), Stays);
        assert_eq!(crossing(HeaderName::Subject, PeerSide::Outside), Stays);
    }
}
