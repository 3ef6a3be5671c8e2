//! Who calls whom, as read from a request.
//!
//! Owns which header and which URI is read, and what a caller asks of being shown. Refuses to judge, and to read digits: the
//! peer's dial plan does. Read first: RFC 3261 §8.2; RFC 3323 §4.2; `policy/facts.rs`.

use std::borrow::Cow;
use std::sync::Arc;

use super::admission::is_attempt;
use super::checks;
use super::forwarder::Forwarder;
use super::identified::Mismatch;
use super::intake::Arrived;
use super::refuse::Wrong;
use crate::call::caller;
use crate::policy::credential::Credential;
use crate::policy::number::{Deny, Dialled, Dialling, Known, Privacy};
use crate::policy::peer::CalledFrom;
use crate::policy::verdict::{Said, Saw, Step};
use crate::policy::{Facts, Peer, PeerSide, code};
use crate::sip::headers::Privacy as Asked;
use crate::sip::{HeaderName, NameAddr, Uri};

/// Whom a request calls.
#[derive(Debug)]
pub enum Called<'a> {
    /// The user part, where the peer has no dial plan.
    Literal(Cow<'a, str>),
    /// What was read under its dial plan.
    Read(Dialled),
}

/// Who calls whom, as read from the message.
#[derive(Debug)]
pub struct Users<'a> {
    /// The user of the header that names the caller.
    pub caller: Cow<'a, str>,
    /// The number in the header that the peer's `called_from` names.
    pub called: Called<'a>,
    /// The caller as its peer's dial plan reads it, where that is a whole number.
    pub caller_read: Option<Dialled>,
    /// Whether a prefix that was dialled asks that the caller be shown, who is known, and nothing forbids it.
    pub shows: bool,
    /// What was dialled as it stands, where it was read as something else.
    pub dialled: Option<Cow<'a, str>>,
    /// Who sent the call on.
    pub forwarder: Option<Forwarder>,
    /// Why it may not go on, and the rule that says so, where it is one.
    pub fault: Option<Mismatch>,
}

impl<'a> Users<'a> {
    /// Reads them; what cannot be read is empty and told in `fault`.
    #[must_use]
    pub fn read(arrived: &Arrived<'a>) -> Self {
        let (called, unread) = match called(arrived) {
            Ok(called) => (called, None),
            Err(mismatch) => (Called::Literal(as_it_stands(arrived)), Some(*mismatch)),
        };
        let (caller, caller_read, unknown) = match caller_of(arrived) {
            Ok((caller, read)) => (caller, read, None),
            Err(wrong) => (Cow::Borrowed(""), None, Some(Mismatch { wrong, step: None })),
        };
        let shows = asks_to_be_shown(arrived, &called, &caller);
        let forwarder = Forwarder::of(arrived.message, arrived.peer);
        let dialled = arrived.peer.dialling.is_some().then(|| as_it_stands(arrived));
        Self { caller, caller_read, shows, dialled, forwarder, called, fault: unread.or(unknown) }
    }

    /// Who calls, as routes and rules know it.
    #[must_use]
    pub fn caller(&self) -> &str {
        self.caller_read.as_ref().map_or(&self.caller, Dialled::as_str)
    }

    /// Whom it calls, as routes and rules know it.
    #[must_use]
    pub fn called(&self) -> &str {
        match &self.called {
            Called::Literal(called) => called,
            Called::Read(dialled) => dialled.as_str(),
        }
    }

    /// Both.
    #[must_use]
    pub fn both(&self) -> (&str, &str) {
        (self.caller(), self.called())
    }

    /// How that was read under the dial plan of who calls, for the record.
    pub fn number(&self, peer: &Peer) -> Option<Known> {
        match &self.called {
            Called::Literal(_) => None,
            Called::Read(dialled) => {
                let dialling = Arc::clone(peer.dialling.as_ref()?);
                Some(Known { dialling, reading: dialled.reading.clone() })
            }
        }
    }

    /// Tells policy what that was read as under a dial plan, and who proved a password.
    pub fn complete<'f>(
        &'f self,
        emergency: bool,
        credential: Option<&'f Credential>,
        facts: &mut Facts<'f>,
    ) {
        facts.credential = credential.map(|credential| &*credential.user);
        facts.owned = credential.and_then(|credential| credential.owned.as_deref());
        match &self.called {
            Called::Literal(_) => {}
            Called::Read(dialled) => {
                facts.number = Some(&dialled.reading.number);
                facts.hidden |= dialled.reading.privacy == Privacy::Hide;
            }
        }
        // What is dialled for one call counts before what a phone is set to for all of them.
        facts.shows = self.shows && !emergency;
        facts.hidden &= !self.shows;
        facts.forwarded = self.forwarder.as_ref().map(Forwarder::facts);
        facts.emergency = emergency;
        facts.caller_sent = &self.caller;
        facts.dialled = self.dialled.as_deref().unwrap_or(facts.called);
        // Who helps must be able to call back, and is told what the PBX says.
        facts.hidden &= !emergency;
        if emergency {
            facts.caller = &self.caller;
        }
    }

    /// Whether it is a call for help in danger to life that nothing may refuse: of an inside peer that the policy in force
    /// lists. A trunk's call to such a number is none, and who has yet to prove who it is has not called.
    pub fn is_emergency(&self, arrived: &Arrived<'_>) -> bool {
        let read = match &self.called {
            Called::Literal(_) => false,
            Called::Read(dialled) => dialled.reading.number.is_emergency(),
        };
        read && arrived.peer.side == PeerSide::Inside && arrived.in_force && is_attempt(arrived)
    }
}

/// Whether a caller dialled a prefix that asks to be shown (`*82`, `1470`). It lifts what a phone or a line is set to (47 CFR
/// §64.1601(b); 3GPP TS 24.607 §4.5.2.4), but nothing that is to be kept whatever it costs (RFC 3323 §4.2: critical), and no one is
/// shown of whom nothing is known.
fn asks_to_be_shown(arrived: &Arrived<'_>, called: &Called<'_>, caller: &str) -> bool {
    let asks = match called {
        Called::Literal(_) => false,
        Called::Read(dialled) => dialled.reading.privacy == Privacy::Show,
    };
    let message = arrived.message;
    let critical = || Asked::read(message.lines(HeaderName::Privacy)).critical;
    asks && arrived.peer.side == PeerSide::Inside
        && !caller.is_empty()
        && !caller.eq_ignore_ascii_case("anonymous")
        && !critical()
}

/// Who calls, as it stands there and as the peer's dial plan reads it.
fn caller_of<'a>(arrived: &Arrived<'a>) -> Result<(Cow<'a, str>, Option<Dialled>), Wrong> {
    let malformed = |why: &str| Wrong::new(400, code::URI_MALFORMED, why);
    match caller::named(arrived.message, &arrived.peer.identity) {
        Ok(Some(name)) => {
            let uri = name.uri().map_err(|_| malformed("the caller's URI cannot be read"))?;
            let user = caller::user(&uri).map_err(|why| malformed(&format!("the caller has {why}")))?;
            Ok((user, arrived.peer.dialling.as_ref().and_then(|plan| plan.read_caller(name.raw_uri))))
        }
        Ok(None) => Ok((Cow::Borrowed(""), None)),
        Err(why) => Err(Wrong::new(400, code::HEADER_VALUE_INVALID, why)),
    }
}

/// Who calls and what it dials, both as they stand.
pub fn as_sent<'a>(arrived: &Arrived<'a>) -> (Cow<'a, str>, Cow<'a, str>) {
    let named = caller::named(arrived.message, &arrived.peer.identity).ok().flatten();
    let caller = named.and_then(|name| caller::user(&name.uri().ok()?).ok()).unwrap_or_default();
    (caller, as_it_stands(arrived))
}

/// Whom a request dials, for whoever is told of one that is not read.
fn as_it_stands<'a>(arrived: &Arrived<'a>) -> Cow<'a, str> {
    let uri = dialled_uri(arrived).ok();
    uri.and_then(|raw| Uri::read(raw).ok()).and_then(|uri| caller::user(&uri).ok()).unwrap_or_default()
}

/// The URI dialled, where the peer says that it stands. Only a trunk has a choice: what an inside peer dials is its
/// Request-URI.
fn dialled_uri<'a>(arrived: &Arrived<'a>) -> Result<&'a [u8], &'static str> {
    let message = arrived.message;
    let from = match arrived.peer.side {
        PeerSide::Inside => CalledFrom::RequestUri,
        PeerSide::Outside => arrived.peer.called_from,
    };
    match from {
        CalledFrom::RequestUri => Ok(message.request_uri()),
        CalledFrom::To => Ok(message.to().raw_uri),
        CalledFrom::PCalledPartyId => {
            let value = message.header(HeaderName::PCalledPartyId).ok_or("P-Called-Party-ID is missing")?;
            let name = NameAddr::read(value).map_err(|_| "P-Called-Party-ID cannot be read")?;
            Ok(name.raw_uri)
        }
    }
}

/// Whom a request calls: read under the peer's dial plan, or as it stands where it has none.
fn called<'a>(arrived: &Arrived<'a>) -> Result<Called<'a>, Box<Mismatch>> {
    let peer = arrived.peer;
    let amiss = |why: &str| {
        Box::new(Mismatch { wrong: Wrong::by_policy(code::INVALID_PHONE_NUMBER, peer, why), step: None })
    };
    let raw = dialled_uri(arrived).map_err(amiss)?;
    if let Some(dialling) = &peer.dialling {
        return dialling
            .read(raw)
            .map(Called::Read)
            .map_err(|deny| Box::new(denied(arrived, dialling, deny)));
    }
    let uri = Uri::read(raw).map_err(|_| amiss("the URI of the number dialled cannot be read"))?;
    match uri {
        Uri::Sip(_) | Uri::Tel { .. } => checks::number(&uri).map(Called::Literal).map_err(amiss),
        Uri::Urn(_) | Uri::Other(_) => Err(amiss("the number dialled stands in a URI that is not served")),
    }
}

/// Why the peer's dial plan does not read what was dialled, with the cure.
fn denied(arrived: &Arrived<'_>, dialling: &Dialling, deny: Deny) -> Mismatch {
    let (code, status) = deny.answer();
    let why = format!("dial plan {} does not read it ({}): {}", dialling.name, deny.name(), deny.text());
    let mut wrong = Wrong::by_policy(code, arrived.peer, &why);
    if arrived.peer.refusal.status(code.class).is_none() {
        wrong.refusal.status = status;
    }
    wrong.cure = Some(deny.cure());
    let step = Step { rule: Arc::clone(&dialling.path), saw: Saw::Word(deny.name()), said: Said::Refuse };
    Mismatch { wrong, step: Some(step) }
}
