//! A number that a call is to be sent on to: read by the dial plan of who pays, and judged as if it were dialled.
//!
//! Owns what of a URI is read, and the step to the rules, the routes and the caps. Refuses to know who asks and why: a redirect
//! (`redirected`), a transfer (`referred`). Read first: RFC 3261 §19.1.5; DESIGN.md §1, laws 3 and 4; attack rows B10, C1, C2.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;

use super::Output;
use super::checks;
use super::gate::EdgeGate;
use crate::call::caller::Shown;
use crate::call::redirect::Redirected;
use crate::clock::Now;
use crate::policy::alert::Code;
use crate::policy::facts::Forwarded;
use crate::policy::limits::Tab;
use crate::policy::number::{Dialled, Number, Privacy};
use crate::policy::verdict::{Said, Saw, Step};
use crate::policy::{Direction, Facts, Outcome, Peer, PeerSide, Refusal, Trail, admit, code};
use crate::sip::{Message, Method, Transport, Uri};

/// Digits that an international number has (ITU-T E.164 §6: at most 15; no country's subscribers have fewer with their code).
const DIGITS: std::ops::RangeInclusive<usize> = 7..=15;

/// The words of who asks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words {
    /// The header that names the number.
    pub header: &'static str,
    /// The key of the peer that opens it.
    pub key: &'static str,
    /// What the peer does.
    pub does: &'static str,
    /// The alert.
    pub code: Code,
}

/// A call that is to be sent on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish<'a> {
    /// The words of who asks.
    pub words: Words,
    /// Who asks.
    pub by: &'a Arc<Peer>,
    /// Who pays.
    pub payer: &'a Arc<Peer>,
    /// Who hears of a refusal.
    pub hears: &'a Peer,
    /// Where who asks is.
    pub source: SocketAddr,
    /// By what it speaks.
    pub transport: Transport,
    /// What stands for the INVITE of the call.
    pub request: &'a Message,
    /// Whether keys of encrypted speech would cross to whom is called.
    pub keys: bool,
    /// Whether the call is to be encrypted on every leg, whatever the number's URI says.
    pub secure: bool,
    /// The user of who pays whose password was proved.
    pub user: Option<&'a str>,
    /// The caller as policy read it.
    pub caller: &'a str,
    /// Whether the caller asks not to be shown.
    pub hidden: bool,
    /// Whether a prefix that was dialled asks for it to be shown, whatever the phone is set to.
    pub shows: bool,
    /// The number that the call leaves.
    pub left: &'a str,
    /// The number at the other end of it; the same where that end may be called.
    pub other: &'a str,
    /// How often the call was sent on, this time counted.
    pub times: u32,
    /// Whether who pays takes another place for it.
    pub is_new: bool,
    /// Whether who asks may name an emergency number.
    pub helps: bool,
    /// Whether the edge makes the call, so that it is charged.
    pub performs: bool,
    /// Whether both of its ends are in calls that are up, and charged for that.
    pub joins: bool,
}

/// A number in a URI.
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

impl Wish<'_> {
    /// Why it goes nowhere, towards who hears of it.
    pub fn refused(&self, why: &str) -> Box<Refusal> {
        let words = format!("{} {} and may not: {why}", self.by.name, self.words.does);
        Box::new(Refusal::new(self.words.code, &self.hears.refusal, words))
    }

    /// Judges one address, its headers left out.
    ///
    /// # Errors
    /// Why the call goes nowhere.
    pub fn judge(
        &self,
        gate: &mut EdgeGate<'_>,
        now: Now,
        raw_uri: &[u8],
        draw: u64,
    ) -> Result<Box<Redirected>, Box<Refusal>> {
        let (read, secure) = self.read(raw_uri).map_err(|why| {
            let named = String::from_utf8_lossy(raw_uri);
            Box::new(self.refused(&why).about(&named, Trail::new()))
        })?;
        let called = read.as_str();
        let is = |end: &str| called.trim_start_matches('+') == end.trim_start_matches('+');
        // An inside peer may mean a colleague's number; a trunk that names one of ours sends a call back.
        let back = || self.by.side == PeerSide::Outside && gate.policy.is_own_number(called);
        if is(self.left) || is(self.other) || back() {
            let words = format!("{} {} to {called}, from where it came", self.by.name, self.words.does);
            let refusal = Refusal::new(code::LOOP_DETECTED, &self.hears.refusal, words);
            return Err(Box::new(refusal.about(called, Trail::new())));
        }
        // DESIGN.md law 3: no trunk's call is an emergency, and no trunk makes one of a call.
        let emergency = read.number().is_some_and(Number::is_emergency);
        if emergency && !self.helps {
            let why = "it names an emergency number, which only an inside caller may reach";
            return Err(Box::new(self.refused(why).about(called, Trail::new())));
        }
        let demand = self.payer.demand.as_ref();
        let proven = self.user.and_then(|user| demand.and_then(|demand| demand.find(user.as_bytes())));
        let facts = Facts {
            now,
            peer: self.payer.id,
            source: self.source,
            transport: self.transport,
            method: &Method::Invite,
            holds_place: !self.is_new,
            call_id: self.request.call_id(),
            in_dialog: false,
            request_host: None,
            secure: secure || self.secure,
            keys: self.keys,
            replaces: false,
            caller: self.caller,
            caller_sent: self.caller,
            credential: self.user,
            owned: proven.and_then(|credential| credential.owned.as_deref()),
            hidden: (self.hidden || read.hides()) && !emergency,
            shows: self.shows && !read.hides() && !emergency,
            // Whatever follows a redirect or a transfer was sent on.
            forwarded: Some(Forwarded { by: self.left, times: self.times, here: true }),
            sent_on: None,
            again: 0,
            called,
            dialled: called,
            number: read.number(),
            emergency,
            max_forwards: self.request.max_forwards(),
            via_count: self.request.via_count(),
            passed_before: checks::passed_before(self.request, gate.policy),
            draw,
            located: gate.located,
            direction: None,
            target: None,
        };
        self.admitted(gate, &facts)
    }

    /// What the rules, the routes and the caps say.
    fn admitted(&self, gate: &mut EdgeGate<'_>, facts: &Facts<'_>) -> Result<Box<Redirected>, Box<Refusal>> {
        let verdict = admit(gate.policy, gate.counters, facts);
        let candidates = match verdict.outcome {
            Outcome::Admit(candidates) => candidates,
            Outcome::Refuse(refusal) => {
                let why = format!("{} ({} {})", refusal.text, refusal.code.number, refusal.code.name);
                return Err(Box::new(self.refused(&why).about(facts.called, verdict.trail)));
            }
            Outcome::Silence => return Err(self.refused("its peer is no more")),
        };
        let reservation = match (self.performs, facts.emergency) {
            (false, _) => None,
            (true, true) => Some(gate.policy.charge_emergency(gate.counters, &verdict.charges)),
            (true, false) => {
                // Where two calls are joined, each has its meter already.
                let none = Tab::default();
                let tab = if self.joins { &none } else { &verdict.tab };
                let charged = gate.policy.charge(gate.counters, facts, (&verdict.charges, tab));
                let about =
                    |refusal: Box<Refusal>| Box::new(refusal.about(facts.called, verdict.trail.clone()));
                Some(charged.map_err(about)?)
            }
        };
        gate.outputs.extend(verdict.alerts.into_iter().map(Output::Alert));
        let mut trail = verdict.trail;
        let rule = Arc::from(format!("peers.{}.{}", self.by.name, self.words.key));
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
    fn read<'u>(&self, raw: &'u [u8]) -> Result<(Read<'u>, bool), String> {
        let header = self.words.header;
        let uri = Uri::read(raw).map_err(|_| format!("its {header} cannot be read"))?;
        let (secure, headers) = match &uri {
            Uri::Sip(sip) => {
                // RFC 3261 §19.1.1: they would say where it goes, and that is the policy's to say.
                if sip.password.is_some() || sip.param("maddr").is_some() || sip.param("ttl").is_some() {
                    return Err(format!("its {header} holds a password, maddr or ttl"));
                }
                (sip.secure, sip.headers.len())
            }
            Uri::Tel { .. } => (false, 0),
            // RFC 5031 §4.2: a service is asked for by its name, as an emergency number is by its digits.
            Uri::Urn(_) if self.by.side == PeerSide::Inside && self.payer.dialling.is_some() => (false, 0),
            Uri::Urn(_) | Uri::Other(_) => return Err(format!("its {header} is no sip, sips or tel URI")),
        };
        let bare = if headers == 0 { raw } else { raw.get(..raw.len() - headers - 1).unwrap_or_default() };
        let literal = checks::number(&uri).map_err(str::to_owned)?;
        if literal.is_empty() && !matches!(uri, Uri::Urn(_)) {
            return Err(format!("its {header} names nobody"));
        }
        if self.by.side == PeerSide::Outside && !is_international(&literal) {
            return Err(format!("a trunk's {header} is no number with plus and country code"));
        }
        let read = match &self.payer.dialling {
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
}

fn is_international(text: &str) -> bool {
    text.strip_prefix('+').is_some_and(|digits| {
        DIGITS.contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit())
    })
}
