//! What says who is calling or called, as it crosses: P-Asserted-Identity, Privacy, P-Early-Media, Diversion, History-Info.
//!
//! Owns their writing; each is made anew, none is copied. Trust is the peers' (`asserted_identity`), and a hidden caller is
//! shown to those alone who are told. Read first: RFC 3323 §4.2, §5; RFC 3325 §5, §9; RFC 4916 §4; RFC 5009 §8; RFC 5806 §4; RFC 7044 §10.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::caller;
use super::leg::Leg;
use crate::policy::form::Written;
use crate::policy::peer::PassedHeader;
use crate::policy::{Direction, Peer, PeerSide, Policy, route};
use crate::sip::headers::{Diversion, HistoryInfo, Privacy};
use crate::sip::{HeaderName, Host, Message, NameAddr, Text, Uri, Writer};

/// Diversion or History-Info values that cross; of more, the first.
const DIVERSIONS_MAX: usize = 10;

/// Between which peers a message crosses, and what is known of its sender.
#[derive(Debug, Clone, Copy)]
pub struct Between<'a> {
    /// Who sent it.
    pub from: &'a Peer,
    /// Who receives it.
    pub to: &'a Peer,
    /// Our host as the receiver knows it, as it stands in a URI.
    pub own_host: &'a str,
    /// Whether the party that sent it asked to be hidden, in this message or when the call began.
    pub hidden: bool,
    /// Of the request that opens a call; else what the message asserts is read.
    pub opening: Option<Opening<'a>>,
}

/// What was judged of the caller when a call began.
#[derive(Debug, Clone, Copy)]
pub struct Opening<'a> {
    /// Who is shown.
    pub caller: &'a str,
    /// Whether the caller dialled a prefix that asks to be shown, whatever its phone is set to.
    pub shows: bool,
}

impl Between<'_> {
    /// Whether what the sender asserts is believed, and told on.
    #[must_use]
    pub const fn is_trusted(&self) -> bool {
        self.from.identity.believed && self.to.identity.told
    }

    /// Whether a header that the receiver's policy opens may name a person.
    const fn keeps_names(&self) -> bool {
        !self.hidden || self.to.identity.told
    }

    /// The number of somebody whom the sender names besides its caller, as far as that may be told: towards a trunk one of the
    /// sender's own, or of an extension that has one, and never said to be of a host of the trunk's.
    fn own<'u>(&'u self, user: &'u str, value: &NameAddr<'_>) -> Option<Cow<'u, str>> {
        if self.direction() != Direction::Outbound {
            return Some(Cow::Borrowed(user));
        }
        if matches!(value.uri(), Ok(Uri::Sip(uri)) if is_of(self.to, uri.host)) {
            return None;
        }
        let Some(callers) = &self.from.callers else { return Some(Cow::Borrowed(user)) };
        if let Some(number) = callers.shown_for(user) {
            return Some(Cow::Borrowed(number));
        }
        let read = self.from.dialling.as_ref().and_then(|plan| plan.read_caller(value.raw_uri));
        let number = read.map_or(Cow::Borrowed(user), |read| Cow::Owned(read.as_str().to_owned()));
        callers.owned.holds(&number).then_some(number)
    }

    fn direction(&self) -> Direction {
        route::direction(self.from.side, self.to.side)
    }

    /// A user part as the receiver wants callers written; `None` where it cannot be.
    fn shown<'u>(&'u self, user: &'u str) -> Option<Written<'u>> {
        self.to.numbers.plain(user, self.direction()).ok()
    }
}

impl Leg {
    /// Writes what crosses from a message of the other leg; `opening` is what was judged, in the request that opens the call.
    pub(super) fn cross(
        &self,
        writer: &mut Writer,
        policy: &Policy,
        message: &Message,
        opening: Option<Opening<'_>>,
        with_body: bool,
    ) {
        let own_host = policy.listener(self.hop.listener).map_or("", |listener| listener.advertised.host());
        let (other, hidden) = self.other;
        // The policy of a call holds both of its peers for as long as it lives.
        let Some(from) = policy.peer(other) else { return };
        let between = Between { from, to: &self.peer, own_host, hidden, opening };
        super::rewrite::cross(writer, message, &between, with_body);
    }
}

/// Headers that name a person, or may: they stay behind when that person is hidden, whatever `pass_headers` opens. What we
/// have no word for may name anybody.
const fn may_name(header: HeaderName) -> bool {
    matches!(
        header,
        HeaderName::Unknown
            | HeaderName::CallInfo
            | HeaderName::Diversion
            | HeaderName::HistoryInfo
            | HeaderName::Organization
            | HeaderName::ReplyTo
            | HeaderName::ReferredBy
            | HeaderName::Identity
            | HeaderName::Subject
            | HeaderName::Geolocation
            | HeaderName::PAccessNetworkInfo
            | HeaderName::UserToUser
            | HeaderName::ErrorInfo
    )
}

/// Whether a header that stays behind by the table may cross, since the receiver's policy opens it.
pub(super) fn may_pass(between: &Between<'_>, header: HeaderName, raw_name: &[u8]) -> bool {
    let opened = between.to.pass_headers.iter().any(|passed| match passed {
        PassedHeader::Known(known) => *known == header && header != HeaderName::Unknown,
        PassedHeader::Named(named) => {
            header == HeaderName::Unknown && raw_name.eq_ignore_ascii_case(named.as_bytes())
        }
    });
    opened && (between.keeps_names() || !may_name(header))
}

/// Writes who asserts what, and what privacy is asked for.
pub(super) fn write(writer: &mut Writer, message: &Message, between: &Between<'_>) {
    let asserted = write_identity(writer, message, between);
    // RFC 3323 §4.2: "none" stands alone, and undoes what a trunk does of its own will.
    if between.opening.is_some_and(|opening| opening.shows) && !between.hidden {
        line(writer, HeaderName::Privacy, b"none");
        return write_early_media(writer, message, between);
    }
    let asks = message.has(HeaderName::Privacy);
    let hidden = between.hidden || asks && caller::asks_privacy(message);
    if asks || hidden && (asserted || between.opening.is_some()) {
        write_privacy(writer, message, hidden);
    }
    write_early_media(writer, message, between);
}

/// RFC 3325 §5: asserted to those alone whom the policy trusts with it, and only what was judged (a new call of our own
/// side, or of a peer that is believed) or what a believed peer asserts (RFC 4916: who was reached). Whether it was written.
fn write_identity(writer: &mut Writer, message: &Message, between: &Between<'_>) -> bool {
    if !between.to.identity.told {
        return false;
    }
    let judged = between.from.identity.believed
        || between.opening.is_some() && matches!(between.from.side, PeerSide::Inside);
    if !judged {
        return false;
    }
    let written = match between.opening {
        Some(Opening { caller, .. }) => match between.to.numbers.caller(caller, between.direction()) {
            Ok(Some(written)) if names_somebody(caller, written) => address(written, between.own_host),
            Ok(Some(_) | None) | Err(_) => return false,
        },
        None => {
            let Ok(Some(value)) = caller::one_identity(message) else { return false };
            let Some(address) = rebuilt(&value, between) else { return false };
            address
        }
    };
    line(writer, HeaderName::PAssertedIdentity, &written)
}

/// Whether a host is one by which a peer is known: of its targets or its sources, or the one it wants to be called by.
fn is_of(peer: &Peer, host: Host<'_>) -> bool {
    match host {
        Host::Address(address) => {
            peer.addresses().any(|known| known.ip() == address)
                || peer.sources.iter().any(|network| network.contains(&address))
        }
        Host::Name(name) => {
            let name = name.strip_suffix(b".").unwrap_or(name);
            let wanted = peer.request_host.as_deref().and_then(|host| host.split(':').next());
            let known = peer.domains().map(|domain| &*domain.host).chain(wanted);
            known.into_iter().any(|known| known.as_bytes().eq_ignore_ascii_case(name))
        }
    }
}

/// Nobody is asserted as nobody.
fn names_somebody(caller: &str, written: Written<'_>) -> bool {
    !written.number.is_empty() && !caller.eq_ignore_ascii_case("anonymous")
}

/// A value's user at our host; `None` where it has none, or the receiver's form cannot write it.
fn rebuilt(value: &NameAddr<'_>, between: &Between<'_>) -> Option<Vec<u8>> {
    let uri = value.uri().ok()?;
    let user = caller::user(&uri).ok()?;
    let own = between.own(&user, value)?;
    let written = between.shown(&own).filter(|_| !own.is_empty())?;
    Some(address(written, between.own_host))
}

fn address(user: Written<'_>, host: &str) -> Vec<u8> {
    caller::address(Some(user), b"", host)
}

/// The words we know, and `id` for whoever is hidden: nobody further on may show what is asserted.
fn write_privacy(writer: &mut Writer, message: &Message, hidden: bool) {
    let asked = Privacy::read(message.lines(HeaderName::Privacy));
    let words = [
        ("id", asked.id || hidden),
        ("user", asked.user),
        ("header", asked.header),
        ("session", asked.session),
        ("history", asked.history),
        ("none", asked.none && !hidden),
        ("critical", asked.critical),
    ];
    let words: Vec<&str> = words.into_iter().filter(|(_, set)| *set).map(|(word, _)| word).collect();
    if !words.is_empty() {
        line(writer, HeaderName::Privacy, words.join(";").as_bytes());
    }
}

/// RFC 5009 §8: its words and no others.
fn write_early_media(writer: &mut Writer, message: &Message, between: &Between<'_>) {
    if !between.is_trusted() || !message.has(HeaderName::PEarlyMedia) {
        return;
    }
    const WORDS: [&str; 6] = ["sendrecv", "sendonly", "recvonly", "inactive", "gated", "supported"];
    let known = |value: &[u8]| {
        WORDS.into_iter().find(|word| value.trim_ascii().eq_ignore_ascii_case(word.as_bytes()))
    };
    let words: Vec<&str> =
        message.values(HeaderName::PEarlyMedia).filter_map(known).take(WORDS.len()).collect();
    if !words.is_empty() {
        line(writer, HeaderName::PEarlyMedia, words.join(", ").as_bytes());
    }
}

/// A Diversion or History-Info line that the policy opens, each value at our host; what the receiver's form cannot write,
/// or asks to stay private, is left out or shown as nobody.
pub(super) fn write_diverted(
    writer: &mut Writer,
    header: HeaderName,
    message: &Message,
    between: &Between<'_>,
) {
    let asked = Privacy::read(message.lines(HeaderName::Privacy));
    // RFC 7044 §10.1.2: nobody before the caller is named either.
    if header == HeaderName::HistoryInfo && asked.history && !asked.none && !between.to.identity.told {
        return;
    }
    for value in message.values(header).take(DIVERSIONS_MAX) {
        let written = if header == HeaderName::HistoryInfo {
            history(value, between)
        } else {
            diversion(value, between)
        };
        if let Some(written) = written {
            line(writer, header, &written);
        }
    }
}

fn diversion(value: &[u8], between: &Between<'_>) -> Option<Vec<u8>> {
    let read = Diversion::read(value).ok()?;
    if read.is_private() && !between.to.identity.told {
        return None;
    }
    let mut out = rebuilt(&read.address, between)?;
    let mut params = String::new();
    // RFC 5806 §4: a reason is a word of the list, or any token.
    let reason = read.reason().and_then(|reason| String::from_utf8(reason.into_owned()).ok());
    if let Some(reason) = reason.filter(|reason| is_word(reason)) {
        let _infallible = write!(params, ";reason={reason}");
    }
    let _infallible = write!(params, ";counter={}", read.counter());
    if read.is_private() {
        params.push_str(";privacy=full");
    }
    out.extend_from_slice(params.as_bytes());
    Some(out)
}

fn history(value: &[u8], between: &Between<'_>) -> Option<Vec<u8>> {
    let read = HistoryInfo::read(value).ok()?;
    // RFC 7044 §10.1.2: whoever asks for it inside the URI stands there as nobody.
    let private = memchr::memmem::find(&read.address.raw_uri.to_ascii_lowercase(), b"privacy=").is_some();
    let shown = if private && !between.to.identity.told { None } else { rebuilt(&read.address, between) };
    let mut out = shown.unwrap_or_else(|| b"<sip:anonymous@anonymous.invalid>".to_vec());
    out.extend_from_slice(b";index=");
    out.extend_from_slice(read.index);
    Some(out)
}

fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 32
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn line(writer: &mut Writer, name: HeaderName, value: &[u8]) -> bool {
    match Text::new(value) {
        Some(value) => {
            writer.header(name, value);
            true
        }
        None => false,
    }
}
