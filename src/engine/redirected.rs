//! Where a peer that was called sends a call on to (3xx): read and judged as if it were dialled.
//!
//! Owns who is judged, and what of a Contact is read. Refuses to know what the call does then (`call/setup/redirected`).
//! Read first: RFC 3261 §8.1.3.4, §19.1.5; DESIGN.md §1, laws 3 and 4; attack rows B10, C2.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::sync::Arc;

use smallvec::SmallVec;

use super::Output;
use super::checks;
use super::forwarder::Forwarder;
use super::gate::EdgeGate;
use crate::call::caller::Shown;
use crate::call::redirect::{CONTACTS_MAX, Redirect, Redirected};
use crate::clock::Now;
use crate::policy::facts::Forwarded;
use crate::policy::number::{Dialled, Number, Privacy};
use crate::policy::refusal::Presets;
use crate::policy::verdict::{Said, Saw, Step};
use crate::policy::{Alert, Direction, Facts, Outcome, Peer, PeerSide, Refusal, admit, code};
use crate::sip::headers::Contact;
use crate::sip::{Method, NameAddr, Uri, keys};

/// Digits that an international number has (ITU-T E.164 §6: at most 15; no country's subscribers have fewer with their code).
const DIGITS: std::ops::RangeInclusive<usize> = 7..=15;

/// A number in a Contact.
enum Read<'a> {
    /// As it stands, where no dial plan reads it.
    Literal(Cow<'a, str>),
    Dialled(Dialled),
}

impl Read<'_> {
    fn as_str(&self) -> &str {
        match self {
            Self::Literal(text) => text,
            Self::Dialled(dialled) => dialled.as_str(),
        }
    }

    fn number(&self) -> Option<&Number> {
        match self {
            Self::Literal(_) => None,
            Self::Dialled(dialled) => Some(&dialled.reading.number),
        }
    }

    fn hides(&self) -> bool {
        match self {
            Self::Literal(_) => false,
            Self::Dialled(dialled) => dialled.reading.privacy == Privacy::Hide,
        }
    }
}

/// Judges the numbers of a redirect, the one that is wished for most first; the first that may be called is.
pub(super) fn judge(
    gate: &mut EdgeGate<'_>,
    now: Now,
    asked: &Redirect<'_>,
    draw: u64,
) -> Result<Box<Redirected>, Box<Refusal>> {
    let Some(payer) = payer(asked) else {
        return Err(refused(asked, "a trunk sends a trunk's call on, and nobody here has asked for it"));
    };
    let mut refusal: Option<Box<Refusal>> = None;
    for address in contacts(asked).map_err(|why| refused(asked, why))? {
        match one(gate, now, asked, payer, &address, draw) {
            Ok(redirected) => {
                if let Some(passed_over) = refusal {
                    tell(gate, now, asked, &passed_over);
                }
                return Ok(redirected);
            }
            Err(objection) => refusal = refusal.or(Some(objection)),
        }
    }
    Err(refusal.unwrap_or_else(|| refused(asked, "it names no address")))
}

/// Who pays for the call: an inside peer that sends it on; where a trunk does, the inside peer that called.
fn payer<'a>(asked: &Redirect<'a>) -> Option<&'a Arc<Peer>> {
    match (asked.by.side, asked.from.side) {
        (PeerSide::Inside, _) => Some(asked.by),
        (PeerSide::Outside, PeerSide::Inside) => Some(asked.from),
        (PeerSide::Outside, PeerSide::Outside) => None,
    }
}

/// The addresses in the order of their q.
fn contacts<'a>(asked: &Redirect<'a>) -> Result<SmallVec<[NameAddr<'a>; CONTACTS_MAX]>, &'static str> {
    let mut found: SmallVec<[(u16, NameAddr<'a>); CONTACTS_MAX]> = SmallVec::new();
    for contact in asked.answer.contacts() {
        if found.len() >= CONTACTS_MAX {
            return Err("it names more than 5 addresses");
        }
        match contact {
            Ok(contact @ Contact::Address(address)) => found.push((contact.q(), address)),
            Ok(Contact::Any) | Err(_) => return Err("its Contact cannot be read"),
        }
    }
    found.sort_by_key(|(q, _)| Reverse(*q));
    Ok(found.into_iter().map(|(_, address)| address).collect())
}

/// One of them.
fn one(
    gate: &mut EdgeGate<'_>,
    now: Now,
    asked: &Redirect<'_>,
    payer: &Arc<Peer>,
    address: &NameAddr<'_>,
    draw: u64,
) -> Result<Box<Redirected>, Box<Refusal>> {
    let (read, secure) = read(asked, payer, address.raw_uri).map_err(|why| refused(asked, &why))?;
    let called = read.as_str();
    let is_back = called.trim_start_matches('+') == asked.called.trim_start_matches('+');
    if is_back || gate.policy.is_own_number(called) {
        let words = format!("{} sends the call on to {called}, from where it came", asked.by.name);
        return Err(Box::new(Refusal::new(code::LOOP_DETECTED, &asked.from.refusal, words)));
    }
    // DESIGN.md law 3: no trunk's call is an emergency, and no trunk makes one of a call.
    let emergency = read.number().is_some_and(Number::is_emergency);
    if emergency && (asked.by.side, asked.from.side) != (PeerSide::Inside, PeerSide::Inside) {
        return Err(refused(asked, "it names an emergency number, which only an inside caller may reach"));
    }
    // Who called holds its place already, and takes no second one.
    let is_new = payer.id == asked.by.id;
    let user = asked.user.filter(|_| !is_new);
    let demand = payer.demand.as_ref();
    let proven = user.and_then(|user| demand.and_then(|demand| demand.find(user.as_bytes())));
    let facts = Facts {
        now,
        peer: payer.id,
        source: asked.source,
        transport: asked.transport,
        method: if is_new { &Method::Invite } else { &Method::Message },
        call_id: asked.invite.call_id(),
        in_dialog: false,
        request_host: None,
        secure: secure || matches!(asked.invite.uri(), Some(Uri::Sip(uri)) if uri.secure),
        keys: keys::carried(asked.invite),
        replaces: false,
        caller: asked.caller,
        caller_sent: asked.caller,
        owned: proven.and_then(|credential| credential.owned.as_deref()),
        hidden: (asked.hidden || read.hides()) && !emergency,
        shows: asked.shows && !read.hides() && !emergency,
        forwarded: Some(Forwarded { by: asked.called, times: times_before(asked).saturating_add(1) }),
        called,
        number: read.number(),
        emergency,
        max_forwards: asked.invite.max_forwards(),
        via_count: asked.invite.via_count(),
        passed_before: checks::passed_before(asked.invite, gate.policy),
        draw,
        located: gate.located,
        direction: None,
        target: None,
    };
    admitted(gate, asked, &facts)
}

/// How often the call was sent on before this redirect, as its caller tells it.
fn times_before(asked: &Redirect<'_>) -> u32 {
    Forwarder::of(asked.invite, asked.from).map_or(0, |forwarder| forwarder.facts().times)
}

/// What the rules, the routes and the caps say.
fn admitted(
    gate: &mut EdgeGate<'_>,
    asked: &Redirect<'_>,
    facts: &Facts<'_>,
) -> Result<Box<Redirected>, Box<Refusal>> {
    let verdict = admit(gate.policy, gate.counters, facts);
    let candidates = match verdict.outcome {
        Outcome::Admit(candidates) => candidates,
        Outcome::Refuse(refusal) => {
            let why = format!("{} ({} {})", refusal.text, refusal.code.number, refusal.code.name);
            return Err(refused(asked, &why));
        }
        Outcome::Silence => return Err(refused(asked, "its peer is no more")),
    };
    let reservation = match (asked.performs, facts.emergency) {
        (false, _) => None,
        (true, true) => Some(gate.policy.charge_emergency(gate.counters, &verdict.charges)),
        (true, false) => Some(gate.policy.charge(gate.counters, facts.peer, &verdict.charges)?),
    };
    gate.outputs.extend(verdict.alerts.into_iter().map(Output::Alert));
    let mut trail = verdict.trail;
    let rule = Arc::from(format!("peers.{}.redirects", asked.by.name));
    trail.insert(0, Step { rule, saw: Saw::Text(facts.called.into()), said: Said::Match });
    Ok(Box::new(Redirected {
        called: facts.called.into(),
        named: verdict.named,
        shown: Shown { presented: verdict.presented, shows: facts.shows },
        emergency: facts.emergency,
        direction: verdict.direction.unwrap_or(Direction::Outbound),
        candidates,
        reservation,
        duration_max: verdict.duration_max,
        trail,
    }))
}

/// The number of a URI without the headers that it would have the new request carry, and whether it asks for TLS. What a
/// trunk names is an international number with its plus or nothing.
fn read<'a>(asked: &Redirect<'_>, payer: &Peer, raw: &'a [u8]) -> Result<(Read<'a>, bool), String> {
    let uri = Uri::read(raw).map_err(|_| "its Contact cannot be read".to_owned())?;
    let (secure, headers) = match &uri {
        Uri::Sip(sip) => {
            // RFC 3261 §19.1.1: they would say where it goes, and that is the policy's to say.
            if sip.password.is_some() || sip.param("maddr").is_some() || sip.param("ttl").is_some() {
                return Err("its Contact holds a password, maddr or ttl".to_owned());
            }
            (sip.secure, sip.headers.len())
        }
        Uri::Tel { .. } => (false, 0),
        Uri::Urn(_) | Uri::Other(_) => return Err("its Contact is no sip, sips or tel URI".to_owned()),
    };
    let bare = if headers == 0 { raw } else { raw.get(..raw.len() - headers - 1).unwrap_or_default() };
    let literal = checks::number(&uri).map_err(str::to_owned)?;
    if literal.is_empty() {
        return Err("its Contact names nobody".to_owned());
    }
    if asked.by.side == PeerSide::Outside && !is_international(&literal) {
        return Err("a trunk's Contact is no number with plus and country code".to_owned());
    }
    let read = match &payer.dialling {
        None => Read::Literal(literal),
        Some(dialling) => {
            let deny = |deny: crate::policy::number::Deny| {
                format!("dial plan {} does not read it ({}): {}", dialling.name, deny.name(), deny.text())
            };
            Read::Dialled(dialling.read(bare).map_err(deny)?)
        }
    };
    Ok((read, secure))
}

fn is_international(text: &str) -> bool {
    text.strip_prefix('+').is_some_and(|digits| {
        DIGITS.contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit())
    })
}

/// 32219 towards the caller.
fn refused(asked: &Redirect<'_>, why: &str) -> Box<Refusal> {
    let presets: &Presets = &asked.from.refusal;
    let words = format!("{} sends the call on and may not: {why}", asked.by.name);
    Box::new(Refusal::new(code::REDIRECT_REFUSED, presets, words))
}

/// An address that was passed over, where another one is called.
fn tell(gate: &mut EdgeGate<'_>, now: Now, asked: &Redirect<'_>, passed_over: &Refusal) {
    let words = format!("The call goes on to another address of a redirect: {}", passed_over.text);
    let mut alert = Alert::new(code::REDIRECT_REFUSED, now.wall, words);
    alert.peer = Some(Arc::clone(&asked.by.name));
    alert.source = Some(asked.source);
    alert.transport = Some(asked.transport);
    gate.outputs.push_back(Output::Alert(Box::new(alert)));
}
