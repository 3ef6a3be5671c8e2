//! The first steps of a frame: who sends it, then the reader.
//!
//! Owns the order of these steps and the answer to bytes that cannot be read. Refuses to know methods.
//! Read first: RFC 3261 §18; RFC 5626 §3.5.1. A frame that is dropped here has cost no allocation.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;

use super::addresses::Known;
use super::refuse::{Hearer, blame, status_for};
use super::transactions::response_hop;
use super::{Engine, Output};
use crate::clock::{Now, Tick};
use crate::policy::alert::Alert;
use crate::policy::credential::Credential;
use crate::policy::{Full, Guest, Located, Peer, PeerId, Policy, SourceVerdict, code};
use crate::sip::error::{Cause, Malformed};
use crate::sip::grammar::Values;
use crate::sip::parse::{Answerable, Limits, parse, parse_frame};
use crate::sip::write::{self, Text};
use crate::sip::{ConnectionId, Flow, Frame, HeaderName, Hop, ListenerId, Message, Met, Method, Via};

/// The longest keep-alive: two CRLF.
const KEEP_ALIVE_BYTES_MAX: usize = 4;

/// What is read of a stranger's frame at most.
const SAMPLE_BYTES_MAX: usize = 4_096;

/// Which policy lists the peer that sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Listed {
    /// The one in force.
    Now(PeerId),
    /// One that was replaced, under which its calls live on.
    Before,
    /// None by its address; this roaming peer has proven on this flow who it is.
    Roaming(PeerId),
    /// None, at a listener where somebody may roam: it may be asked who it is.
    Guest,
    /// None: a name of the peer leads, or led, there. It may answer, and speak within a call.
    ByName,
}

/// What an unlisted flow is where somebody may roam.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Roams {
    /// A roaming peer's, or a guest's.
    As(Listed),
    /// A guest's that is dropped, for it, or all of them together, send too much.
    Unread,
    /// A stranger's.
    Nobody,
}

/// A request of a listed peer.
#[derive(Debug, Clone, Copy)]
pub struct Arrived<'a> {
    /// From where.
    pub flow: Flow,
    /// From whom.
    pub peer: &'a Arc<Peer>,
    /// The policy that lists the peer.
    pub policy: &'a Arc<Policy>,
    /// Whether that policy is in force; under a replaced one only live calls go on.
    pub in_force: bool,
    /// Where the names of peers lead.
    pub located: &'a Located,
    /// The request.
    pub message: &'a Message,
    /// What it has proven already, on its way in.
    pub proven: Option<&'a Arc<Credential>>,
}

impl Arrived<'_> {
    /// Whether anybody may have sent it: a datagram, whose source can be forged, of a peer that must prove a password, and
    /// this one has not.
    pub(super) fn is_unproven(&self) -> bool {
        self.peer.demand.is_some() && self.proven.is_none() && !self.flow.is_shown()
    }

    /// How large an answer may be. Attack row A10: whoever forges a source gets no more sent there than it sends itself.
    pub(super) fn answer_bytes_max(&self) -> usize {
        if self.is_unproven() { self.message.bytes().len() } else { usize::MAX }
    }
}

impl Engine {
    /// One datagram, or one framed message of a stream.
    pub(super) fn frame(&mut self, now: Now, flow: Flow, frame: Frame<'_>) {
        let bytes = frame.bytes;
        self.counts.frames += 1;
        let Some(listed) = self.listed(now, &flow, bytes) else { return };
        if is_keep_alive(bytes) {
            self.counts.keep_alives += 1;
            return;
        }
        if listed == Listed::Guest {
            return self.guest_frame(now, flow, frame);
        }
        match parse_frame(frame, &self.settings.limits) {
            Ok(message) if message.is_request() => self.arrive(now, flow, listed, &message),
            Ok(message) => self.response(now, flow, &message),
            Err(malformed) => self.malformed(now, &flow, &malformed, bytes.len()),
        }
    }

    /// A stream that cannot be framed; the shell closes it.
    pub(super) fn broken(&mut self, now: Now, flow: &Flow, malformed: &Malformed) {
        self.counts.frames += 1;
        let Some(listed) = self.listed(now, flow, &[]) else { return };
        if listed != Listed::Guest {
            return self.malformed(now, flow, malformed, usize::MAX);
        }
        // It hears nothing: whatever else but a challenge were said would say what is served here.
        self.counts.malformed(malformed.cause);
        if malformed.cause == Cause::Oversize {
            self.sources.full(now, Full::Message(flow.listener, flow.remote.ip()));
        }
    }

    /// Which peer sends on this flow. Anybody else is never answered: counted, folded into alerts, perhaps banned.
    pub(super) fn listed(&mut self, now: Now, flow: &Flow, bytes: &[u8]) -> Option<Listed> {
        let verdict = self.sources.judge(&self.policy, now.tick, flow);
        let listed = match verdict {
            SourceVerdict::Listed(peer) => Some(Listed::Now(peer)),
            SourceVerdict::Stranger { .. } | SourceVerdict::Banned => None,
        };
        if listed.is_none() && self.listed_before(flow) {
            return Some(Listed::Before);
        }
        if listed.is_none()
            && let Some(peer) = self.located.peer_at(flow.listener, flow.remote.ip())
        {
            return Some(if self.calls_from_targets(now, peer, flow) {
                Listed::Now(peer)
            } else {
                Listed::ByName
            });
        }
        if listed.is_none() && !self.policy.roaming(flow.listener).is_empty() {
            match self.roams(now, flow, verdict) {
                Roams::As(listed) => return Some(listed),
                Roams::Unread => {
                    // A datagram is sent again, a request on a stream never is (RFC 3261 §17.1.1.1), and it would wait for 32 s
                    // in vain. No status tells it, for that would say what is served here, and cost a reading; the end of its
                    // stream does: a client takes it for 503 (§8.1.3.1) and tries again or elsewhere.
                    self.close(flow);
                    return None;
                }
                Roams::Nobody => {}
            }
        }
        self.sources.charge(&self.policy, now, flow, verdict);
        // A stream is closed at its first byte where its peer was taken out of the policy meanwhile.
        if listed.is_none() {
            self.close(flow);
        }
        if verdict == (SourceVerdict::Stranger { sample: true }) {
            self.sample(flow, bytes);
        }
        listed
    }

    /// Closes the stream of a flow, if it has one.
    pub(super) fn close(&mut self, flow: &Flow) {
        if flow.connection != ConnectionId::NONE {
            self.outputs.push_back(Output::Close { connection: flow.connection });
        }
    }

    /// What an unlisted flow is where somebody may roam: a roaming peer's, or a guest's while its budget lasts.
    fn roams(&mut self, now: Now, flow: &Flow, verdict: SourceVerdict) -> Roams {
        // Who has proven a password goes on, even where a neighbour behind the same address was banned since.
        if let Some(peer) = self.roamers.find(now.tick, flow) {
            return Roams::As(Listed::Roaming(peer));
        }
        if verdict == SourceVerdict::Banned || !self.may_roam(flow) {
            return Roams::Nobody;
        }
        let known = flow.is_shown() && self.guard.knows(now.tick, flow.listener, flow.remote.ip());
        match self.sources.guest(&self.policy, now, flow, known) {
            Guest::Read => Roams::As(Listed::Guest),
            Guest::Unread | Guest::Excess => Roams::Unread,
        }
    }

    /// A guest's frame: a request may be asked for a password; nothing else is answered.
    fn guest_frame(&mut self, now: Now, flow: Flow, frame: Frame<'_>) {
        match parse_frame(frame, &self.settings.limits) {
            Ok(message) if message.is_request() => self.guest(now, flow, &message),
            Ok(_) => self.counts.stray_responses += 1,
            Err(malformed) => self.counts.malformed(malformed.cause),
        }
    }

    /// Reads one of a stranger's frames, a few each second at most, so that its alert can tell what it tried.
    fn sample(&mut self, flow: &Flow, bytes: &[u8]) {
        let bytes = bytes.get(..bytes.len().min(SAMPLE_BYTES_MAX)).unwrap_or_default();
        let limits = Limits { message_bytes_max: SAMPLE_BYTES_MAX, ..self.settings.limits.clone() };
        if let Ok(message) = parse(Bytes::copy_from_slice(bytes), &limits) {
            let agent = message.header(HeaderName::UserAgent).unwrap_or_default();
            self.sources.sampled(flow, message.method().as_bytes(), agent);
        }
    }

    /// Whose an address is by the policy in force, or by one under which a call lives.
    #[must_use]
    pub fn whose(&self, listener: ListenerId, ip: IpAddr) -> Option<&Arc<Peer>> {
        let known = Known { policy: &self.policy, retired: &self.retired, located: &self.located };
        let (id, policy) = known.peer_at(listener, ip)?;
        policy.peer(id)
    }

    /// On whose terms an address is met that connects: of the peer there; of whoever may roam there, for they all have the same
    /// (`config` sees to it); `None` where only strangers are.
    #[must_use]
    pub fn party_at(&self, listener: ListenerId, ip: IpAddr) -> Option<Met> {
        if let Some(peer) = self.whose(listener, ip) {
            return Some(Met { party: peer.party, guest: false, known: false });
        }
        let roams = self.policy.peer(*self.policy.roaming(listener).first()?)?;
        Some(Met { party: roams.party, guest: true, known: false })
    }

    /// The same of one that connects now: whoever is banned for what it said over streams is not even shaken hands with.
    #[must_use]
    pub fn meets(&self, now: Tick, listener: ListenerId, ip: IpAddr) -> Option<Met> {
        let banned = || self.sources.bans_streams(now, ip) && self.whose(listener, ip).is_none();
        let met = self.party_at(listener, ip).filter(|_| !banned())?;
        Some(Met { known: met.guest && self.guard.knows(now, listener, ip), ..met })
    }

    /// A stream of nobody, closed already.
    pub(super) fn stranger(&mut self, now: Now, flow: &Flow, why: Option<&'static str>) {
        // A reload may have listed it meanwhile.
        if self.whose(flow.listener, flow.remote.ip()).is_none() {
            self.sources.screen(&self.policy, now, flow);
            if let Some(why) = why {
                self.sources.unshaken(flow, why);
            }
        }
    }

    fn listed_before(&self, flow: &Flow) -> bool {
        self.retired.iter().any(|policy| policy.peer_at(flow).is_some())
    }

    /// Whether a peer may call from where its name leads: the policy says so, or the registrar there holds us.
    fn calls_from_targets(&self, now: Now, id: PeerId, flow: &Flow) -> bool {
        let named = self.policy.peer(id).is_some_and(|peer| peer.calls_from_targets)
            && self.located.leads_to(flow.listener, flow.remote.ip());
        named || self.registrations.hold(now.tick, id, flow.remote.ip())
    }

    fn arrive(&mut self, now: Now, flow: Flow, listed: Listed, message: &Message) {
        let (policy, located) = (Arc::clone(&self.policy), Arc::clone(&self.located));
        // DNS says whom we call, not who calls us: without a word of the policy nothing begins from there. What began before
        // the name led elsewhere can be ended.
        let begins = message.to_tag().is_none() && !matches!(message.method(), Method::Cancel | Method::Ack);
        if listed == Listed::ByName && begins {
            return self.sources.uninvited(now, &flow);
        }
        let (id, listing) = match listed {
            Listed::Now(id) => (id, policy),
            Listed::Roaming(id) => match self.policy_of_roamer(id) {
                Some((policy, _)) => (id, Arc::clone(policy)),
                None => return,
            },
            Listed::Guest => return,
            Listed::Before | Listed::ByName => {
                let known = Known { policy: &policy, retired: &self.retired, located: &located };
                let Some((id, listing)) = known.peer_at(flow.listener, flow.remote.ip()) else { return };
                (id, Arc::clone(listing))
            }
        };
        let in_force = match listed {
            Listed::Now(_) => true,
            Listed::Roaming(id) => self.policy_of_roamer(id).is_some_and(|(_, in_force)| in_force),
            Listed::Before | Listed::ByName | Listed::Guest => false,
        };
        let Some(peer) = listing.peer(id) else { return };
        self.request(
            now,
            &Arrived { flow, peer, policy: &listing, in_force, located: &located, message, proven: None },
        );
    }

    /// Bytes of a listed peer that the reader refused: answered with the error's status, never repaired, and never by more than
    /// the `length` that came.
    fn malformed(&mut self, now: Now, flow: &Flow, malformed: &Malformed, length: usize) {
        self.counts.malformed(malformed.cause);
        let status = status_for(blame(malformed.cause), malformed.status, Hearer::Listed);
        // Attack row A10: over UDP anybody may have sent it. Of a peer without a password nothing better is ever known.
        let shows = self.whose(flow.listener, flow.remote.ip()).is_none_or(|peer| peer.demand.is_some());
        let most = if shows && !flow.is_shown() { length } else { usize::MAX };
        let answer = malformed.answer.as_ref().zip(status).and_then(|(answer, status)| {
            let bytes = write::refusal(answer, flow.remote, status, phrase(malformed.reason))?;
            (bytes.len() <= most).then(|| (status, way_back(flow, answer), bytes))
        });
        let mut alert = Alert::new(alert_code(malformed.cause), now.wall, malformed.reason.to_owned());
        alert.source = Some(flow.remote);
        alert.transport = Some(flow.transport);
        alert.peer = self.peer_name(flow);
        alert.sip_status = answer.as_ref().map(|(status, _, _)| *status);
        self.alert(Box::new(alert));
        if let Some((_, hop, bytes)) = answer {
            self.outputs.push_back(Output::Send { hop, bytes });
        }
    }

    fn peer_name(&self, flow: &Flow) -> Option<Arc<str>> {
        let known = Known { policy: &self.policy, retired: &self.retired, located: &self.located };
        let (id, policy) = known.peer_at(flow.listener, flow.remote.ip())?;
        policy.peer(id).map(|peer| Arc::clone(&peer.name))
    }
}

const fn alert_code(cause: Cause) -> code::Code {
    match cause {
        Cause::Oversize => code::OVERSIZE,
        Cause::RequestUri => code::URI_MALFORMED,
        Cause::HeaderLine => code::HEADER_NAME_INVALID,
        Cause::HeaderValue | Cause::Repeated | Cause::CSeq => code::HEADER_VALUE_INVALID,
        Cause::StartLine
        | Cause::Version
        | Cause::Missing
        | Cause::ContentLength
        | Cause::Framing
        | Cause::NotSip => code::MALFORMED,
    }
}

/// Where the answer to an unreadable request goes: as for any other, by its top Via.
fn way_back(flow: &Flow, answer: &Answerable) -> Hop {
    let line = answer.lines.iter().find(|(name, _)| *name == HeaderName::Via);
    let top = line.and_then(|(_, line)| Values::new(line).next());
    match top.map(Via::read_any_version) {
        Some(Ok((via, _))) => response_hop(flow, &via),
        Some(Err(_)) | None => flow.back(),
    }
}

/// A fixed sentence of the reader as a reason phrase.
fn phrase(reason: &'static str) -> Text<'static> {
    Text::new(reason.as_bytes()).unwrap_or(Text::fixed("Bad Request"))
}

/// RFC 5626 §3.5.1, and the single octets that many NAT keep-alives send.
fn is_keep_alive(bytes: &[u8]) -> bool {
    bytes.len() <= KEEP_ALIVE_BYTES_MAX && bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n' | 0))
}
