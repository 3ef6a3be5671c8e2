//! Requests of listed peers: ACK and CANCEL, the transaction table, screening, and who answers.
//!
//! Owns the order of the checks and every answer that is not a call's. Refuses to know what happens within a dialog.
//! Read first: RFC 3261 §8.2, §9.2, §11.2, §12.2.2, §17.2.3.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use super::admission::{Judged, is_attempt};
use super::challenge::Passed;
use super::identified::{identity, within};
use super::intake::Arrived;
use super::refuse::{self, Adds, Wrong};
use super::transactions::{Arrival, CallKey, CancelTarget, Owner, response_hop};
use super::users::Users;
use super::{Engine, Output, checks};
use crate::call::answer::write_allow;
use crate::call::caller::hides;
use crate::call::identity::hex16;
use crate::call::{Event, LocalTag, ServerId, Side};
use crate::clock::Now;
use crate::policy::alert::{Alert, shortened};
use crate::policy::{Facts, Full, Outcome, Peer, Policy, code, screen};
use crate::sip::write::{Text, reason_phrase, response_to};
use crate::sip::{HeaderName, Method, Uri, keys};
use crate::transaction::Sender;

/// Seconds after which a peer may come back when the edge is full.
const FULL_RETRY_SECONDS: u32 = 5;

/// Seconds after which it may ask again within a call.
const PACE_RETRY_SECONDS: u32 = 1;

/// What is told of a call that nobody could be asked about.
const UNASKED: &str = "its password may not be asked for in the open: let the peer speak TLS";

/// What is told of a request within a call that is not here.
const NO_DIALOG: &str = "no such call is here, or no more: if it comes again and again, look what was restarted, or forgets \
                         that its calls ended";

impl Engine {
    /// A request of a listed peer.
    pub(super) fn request(&mut self, now: Now, arrived: &Arrived<'_>) {
        self.counts.requests += 1;
        match arrived.message.method() {
            Method::Ack => self.ack(now, arrived),
            Method::Cancel => self.cancel(now, arrived),
            Method::Invite
            | Method::Bye
            | Method::Options
            | Method::Register
            | Method::Prack
            | Method::Update
            | Method::Info
            | Method::Message
            | Method::Refer
            | Method::Subscribe
            | Method::Notify
            | Method::Publish
            | Method::Other(_) => self.open(now, arrived),
        }
    }

    /// RFC 3261 §17.1.1.3: an ACK is never answered. It belongs to a refused INVITE's transaction, or to a dialog.
    fn ack(&mut self, now: Now, arrived: &Arrived<'_>) {
        let message = arrived.message;
        if self.transactions.ack(now.tick, Sender(arrived.peer.id.0), message, &mut self.outcomes) {
            return;
        }
        let Some((key, side)) = self.dialog_of(arrived) else {
            self.counts.stray_acks += 1;
            return;
        };
        // What may not stand in an INVITE may not in the ACK that answers a late offer. It cannot be refused; as if it
        // had never come, the call is ended.
        if checks::session_body(message).is_err() {
            self.counts.stray_acks += 1;
            return;
        }
        self.drive(now, key, Event::Ack { side, peer: Some(arrived.peer.id), message });
    }

    /// RFC 3261 §9.2. The answer needs no memory: it is the same for every copy of the CANCEL.
    fn cancel(&mut self, now: Now, arrived: &Arrived<'_>) {
        match self.transactions.cancel_target(Sender(arrived.peer.id.0), arrived.message) {
            CancelTarget::Pending(server, owner) => {
                self.reply(arrived, 200);
                self.flush();
                match owner {
                    Owner::Call { key, .. } => {
                        self.drive(now, key, Event::Cancel { server, message: arrived.message });
                    }
                    Owner::Past(_)
                    | Owner::Probe(_)
                    | Owner::Standalone(_)
                    | Owner::Registration
                    | Owner::Nobody => {}
                }
            }
            CancelTarget::Answered => self.reply(arrived, 200),
            CancelTarget::Unknown => {
                self.counts.stray_cancels += 1;
                let bytes = self.bare(arrived, 481);
                self.send_bounded(now, arrived, 481, bytes);
            }
        }
    }

    /// Every other request: seen before, or new.
    fn open(&mut self, now: Now, arrived: &Arrived<'_>) {
        let (flow, message) = (arrived.flow, arrived.message);
        let (sender, urgent) = (Sender(arrived.peer.id.0), self.is_urgent(arrived));
        match self.transactions.request(now.tick, (sender, urgent), flow, message, &mut self.outcomes) {
            Arrival::New(server) => {
                self.counts.attempts += u64::from(is_attempt(arrived));
                self.near_limit(now);
                match self.admitted_under(arrived) {
                    Some((policy, peer)) => {
                        let arrived = Arrived { policy: &policy, peer: &peer, ..*arrived };
                        self.screen(now, &arrived, server);
                    }
                    None => self.screen(now, arrived, server),
                }
            }
            Arrival::Retransmission => self.counts.retransmissions += 1,
            // RFC 3261 §8.2.2.2.
            Arrival::Merged => {
                self.counts.merged += 1;
                let wrong =
                    Wrong::new(482, code::LOOP_DETECTED, "the same request came before by another way");
                self.refuse_stateless(now, arrived, &wrong);
            }
            // The only 503 this edge sends of its own will: it is full, and says for how long to stay away.
            Arrival::Full => {
                self.counts.table_full += 1;
                let wrong = Wrong::new(503, code::SHEDDING, "the table of transactions is full")
                    .retry_after(FULL_RETRY_SECONDS);
                self.refuse_quietly(now, arrived, &wrong);
                if let Some(count) = self.shedding.tells(now.tick) {
                    let mut alert = refusal_alert(now, arrived, &wrong);
                    alert.count = count;
                    self.alert(alert);
                }
            }
        }
    }

    /// The policy that admitted the call a request belongs to, where a reload has put another in force: live calls
    /// finish under it, or a stricter one would refuse their BYE.
    fn admitted_under(&mut self, arrived: &Arrived<'_>) -> Option<(Arc<Policy>, Arc<Peer>)> {
        let (key, _) = self.dialog_of(arrived)?;
        let policy = &self.calls.at(key)?.policy;
        if Arc::ptr_eq(policy, arrived.policy) {
            return None;
        }
        let peer = policy.peer(arrived.peer.id)?;
        Some((Arc::clone(policy), Arc::clone(peer)))
    }

    /// What must hold of a request: outside a dialog who asks comes first (RFC 3261 §8.2), then what holds of every one.
    fn screen(&mut self, now: Now, arrived: &Arrived<'_>, server: ServerId) {
        if arrived.message.to_tag().is_none() {
            return self.outside(now, arrived, server);
        }
        // Whoever forges the peer's address knows no tag of ours, and hears nothing that costs a transaction.
        if arrived.is_unproven() && self.dialog_of(arrived).is_none() {
            return self.unknown_dialog(now, arrived, server);
        }
        let facts = self.facts(now, arrived, ("", ""));
        if let Some(judged) = self.screened(now, arrived, server, &facts, Judged::default()) {
            self.within_dialog(now, arrived, server, judged);
        }
    }

    /// What must hold of every request, whatever it asks for; `None` where it does not, and it has been answered.
    fn screened(
        &mut self,
        now: Now,
        arrived: &Arrived<'_>,
        server: ServerId,
        facts: &Facts<'_>,
        mut judged: Judged,
    ) -> Option<Judged> {
        let mut screened = screen(arrived.policy, facts);
        judged.trail.append(&mut screened.trail);
        for alert in screened.alerts {
            self.alert(alert);
        }
        match screened.outcome {
            Outcome::Admit(_) => {}
            Outcome::Refuse(refusal) => {
                judged.alerted = true;
                self.refuse(now, arrived, server, &Wrong::from(*refusal), judged);
                return None;
            }
            Outcome::Silence => {
                self.counts.silenced += 1;
                self.transactions.forget(server);
                return None;
            }
        }
        if let Err(wrong) = checks::served(arrived.message, arrived.peer) {
            if facts.emergency {
                self.passed_over(now, arrived, &wrong);
                return Some(judged);
            }
            self.refuse(now, arrived, server, &wrong, judged);
            return None;
        }
        Some(judged)
    }

    /// A request that names no dialog: what it must show, then who serves it.
    fn outside(&mut self, now: Now, arrived: &Arrived<'_>, server: ServerId) {
        let mut users = Users::read(arrived);
        let emergency = users.is_emergency(arrived);
        let Some(()) = self.withstands(now, arrived, server, users.both()) else { return };
        let credential = match self.prove(now, arrived, server, emergency) {
            Passed::Unasked => None,
            Passed::Proven(credential) => Some(credential),
            Passed::Answered => return,
            Passed::Refused(refused) => {
                let (said, wrong) = &*refused;
                let judged = Judged { alerted: true, ..Judged::default() };
                return self.refuse_unproven(now, arrived, server, (said, wrong), judged);
            }
        };
        let arrived = &Arrived { proven: credential.as_ref(), ..*arrived };
        let unread = users.fault.take().filter(|_| !emergency);
        let mut facts = self.facts(now, arrived, (users.caller(), users.called()));
        users.complete(emergency, credential.as_deref(), &mut facts);
        let judged = Judged::of(credential.as_deref(), users.number(arrived.peer));
        let Some(mut judged) = self.screened(now, arrived, server, &facts, judged) else { return };
        let mut fault = unread.map(|unread| judged.mismatch(unread));
        if arrived.peer.demand.is_some() && arrived.proven.is_none() {
            // Refused above, for its transport; whatever a rule let through goes nowhere without its proof.
            fault = Some(Wrong::by_policy(code::SECURE_TRANSPORT_REQUIRED, arrived.peer, UNASKED));
        }
        if let (None, Some(credential), false) = (&fault, &credential, emergency)
            && let Err(mismatch) = identity(arrived, credential, facts.caller_sent)
        {
            fault = Some(judged.mismatch(*mismatch));
        }
        match arrived.message.method() {
            Method::Invite | Method::Message => match fault {
                Some(wrong) => self.refuse(now, arrived, server, &wrong, judged),
                None if *arrived.message.method() == Method::Invite => {
                    self.attempt(now, arrived, server, &facts, judged);
                }
                None => self.carry(now, arrived, server, &facts, judged),
            },
            Method::Ack
            | Method::Bye
            | Method::Cancel
            | Method::Options
            | Method::Register
            | Method::Prack
            | Method::Update
            | Method::Info
            | Method::Refer
            | Method::Subscribe
            | Method::Notify
            | Method::Publish
            | Method::Other(_) => self.outside_dialog(now, arrived, server, judged),
        }
    }

    /// RFC 3261 §12.2.2: the dialog table is the authority. A To tag that stands not in it opens nothing.
    fn within_dialog(&mut self, now: Now, arrived: &Arrived<'_>, server: ServerId, judged: Judged) {
        let Some((key, side)) = self.dialog_of(arrived) else {
            return self.unknown_dialog(now, arrived, server);
        };
        let (flow, message) = (arrived.flow, arrived.message);
        let ends = *message.method() == Method::Bye;
        if !ends && !self.calls.at(key).is_none_or(|entry| entry.pace_mut(side).admits(now.tick)) {
            let wrong = Wrong::new(500, code::CALL_RATE_EXCEEDED, "too many requests within one call");
            self.transactions.forget(server);
            return self.refuse_stateless(now, arrived, &wrong.retry_after(PACE_RETRY_SECONDS));
        }
        if let Err(wrong) = checks::brings(message, &flow, arrived.policy) {
            return self.refuse(now, arrived, server, &wrong, judged);
        }
        // What a BYE or a PRACK says of its sender goes nowhere, and to refuse it would keep a call up.
        let says = matches!(message.method(), Method::Invite | Method::Update | Method::Info | Method::Refer);
        let entry = self.calls.at(key).filter(|_| says && side == Side::A);
        let user = entry.and_then(|entry| {
            entry.call.credential().map(|user| (Arc::clone(user), Box::<str>::from(entry.call.called())))
        });
        if let Some((user, called)) = user
            && let Err(mismatch) = within(arrived, &user, &called)
        {
            let mut judged = Judged { credential: Some(user), ..judged };
            let wrong = judged.mismatch(*mismatch);
            return self.refuse(now, arrived, server, &wrong, judged);
        }
        if *message.method() == Method::Invite {
            self.trying(now, arrived, server);
        }
        self.hand_over(server, key, side);
        let peer = Some(arrived.peer.id);
        self.drive(now, key, Event::Request { side, server, peer, flow, message });
    }

    /// No bucket bounds these, so they leave no state: whoever may use a peer's address could fill the table.
    fn unknown_dialog(&mut self, now: Now, arrived: &Arrived<'_>, server: ServerId) {
        self.counts.unknown_dialogs += 1;
        self.transactions.forget(server);
        self.refuse_stateless(now, arrived, &Wrong::new(481, code::UNKNOWN_DIALOG, NO_DIALOG));
    }

    /// What is neither a call nor a message and names no dialog.
    fn outside_dialog(&mut self, now: Now, arrived: &Arrived<'_>, server: ServerId, judged: Judged) {
        let wrong = match arrived.message.method() {
            Method::Options => match checks::route(arrived.message, arrived.policy, arrived.peer) {
                Ok(()) => return self.capabilities(now, arrived, server),
                Err(wrong) => wrong,
            },
            // RFC 3261 §15.1.2, RFC 3262 §3, RFC 3311 §5.2, RFC 6086 §4.2.2: these live within a dialog only.
            Method::Bye | Method::Prack | Method::Update | Method::Info => {
                self.counts.unknown_dialogs += 1;
                Wrong::new(481, code::UNKNOWN_DIALOG, NO_DIALOG)
            }
            Method::Register => Wrong::new(405, code::REGISTER_NOT_SUPPORTED, "registration is not served")
                .adding(Adds::Allow),
            Method::Refer | Method::Subscribe | Method::Notify | Method::Publish => {
                Wrong::new(405, code::METHOD_NOT_ALLOWED, "the method is not served").adding(Adds::Allow)
            }
            Method::Invite | Method::Message | Method::Ack | Method::Cancel | Method::Other(_) => {
                Wrong::new(501, code::METHOD_NOT_ALLOWED, "the method is not known").adding(Adds::Allow)
            }
        };
        self.refuse(now, arrived, server, &wrong, judged);
    }

    /// RFC 3261 §11.2: OPTIONS is answered by this edge for itself.
    fn capabilities(&mut self, now: Now, arrived: &Arrived<'_>, server: ServerId) {
        // While draining a balancer that probes learns that it should go elsewhere; never by a 503, after which a PBX would
        // take its calls to another way out.
        let status = if self.closing.is_open() { 200 } else { 480 };
        let phrase = Text::new(reason_phrase(status).as_bytes()).unwrap_or(Text::fixed("OK"));
        // Whoever proves nothing costs no memory: its copies are answered anew, and alike.
        let unproven = arrived.is_unproven();
        let tag = if unproven { self.stateless_tag(arrived) } else { hex16(self.random.bits()) };
        let mut writer = response_to(arrived.message, arrived.flow.remote, status, phrase, Text::new(&tag));
        if status == 200 {
            write_allow(&mut writer, arrived.peer);
            writer.header(HeaderName::Accept, Text::fixed("application/sdp"));
            writer.header(
                HeaderName::Supported,
                Text::new(checks::supported(arrived.peer).collect::<Vec<_>>().join(", ").as_bytes())
                    .unwrap_or(Text::fixed("")),
            );
        }
        self.counts.options_answered += 1;
        if unproven {
            self.transactions.forget(server);
            return self.send_bounded(now, arrived, status, writer.finish(&[]));
        }
        self.transactions.respond(now.tick, server, status, writer.finish(&[]), &mut self.outcomes);
    }

    /// 100 for an INVITE, so that its sender stops repeating it while the call is set up.
    pub(super) fn trying(&mut self, now: Now, arrived: &Arrived<'_>, server: ServerId) {
        let writer = response_to(arrived.message, arrived.flow.remote, 100, Text::fixed("Trying"), None);
        self.transactions.respond(now.tick, server, 100, writer.finish(&[]), &mut self.outcomes);
    }

    fn dialog_of(&self, arrived: &Arrived<'_>) -> Option<(CallKey, Side)> {
        let tag = arrived.message.to_tag().and_then(LocalTag::read)?;
        self.dialogs.find(tag)
    }

    /// What policy may know of a request.
    pub(super) fn facts<'a>(
        &mut self,
        now: Now,
        arrived: &Arrived<'a>,
        (caller, called): (&'a str, &'a str),
    ) -> Facts<'a> {
        let message = arrived.message;
        let sip = if let Some(Uri::Sip(uri)) = message.uri() { Some(uri) } else { None };
        Facts {
            now,
            peer: arrived.peer.id,
            source: arrived.flow.remote,
            transport: arrived.flow.transport,
            method: message.method(),
            holds_place: false,
            call_id: message.call_id(),
            in_dialog: message.to_tag().is_some(),
            request_host: sip.as_ref().map(|uri| uri.host),
            secure: sip.is_some_and(|uri| uri.secure),
            keys: is_attempt(arrived) && keys::carried(message),
            replaces: message.has(HeaderName::Replaces) || message.has(HeaderName::Join),
            caller,
            caller_sent: caller,
            credential: None,
            owned: None,
            shows: false,
            forwarded: None,
            sent_on: None,
            again: 0,
            hidden: hides(message),
            called,
            dialled: called,
            number: None,
            emergency: false,
            max_forwards: message.max_forwards(),
            via_count: message.via_count(),
            passed_before: checks::passed_before(message, arrived.policy),
            draw: self.random.bits(),
            located: arrived.located,
            direction: None,
            target: None,
        }
    }

    /// A bare status outside any transaction.
    fn reply(&mut self, arrived: &Arrived<'_>, status: u16) {
        let bytes = self.bare(arrived, status);
        self.send_back(arrived, bytes);
    }

    fn bare(&self, arrived: &Arrived<'_>, status: u16) -> bytes::Bytes {
        let tag = self.stateless_tag(arrived);
        let phrase = Text::new(reason_phrase(status).as_bytes()).unwrap_or(Text::fixed("OK"));
        response_to(arrived.message, arrived.flow.remote, status, phrase, Text::new(&tag)).finish(&[])
    }

    /// Sends an answer outside any transaction; where anybody may have sent the request and the answer is larger, the bare
    /// status, and where that is, too, nothing.
    fn send_bounded(&mut self, now: Now, arrived: &Arrived<'_>, status: u16, bytes: bytes::Bytes) {
        let most = arrived.answer_bytes_max();
        let bytes = if bytes.len() > most { self.bare(arrived, status) } else { bytes };
        if bytes.len() > most {
            self.counts.answers_withheld += 1;
            // Whoever roams is nobody in particular yet.
            if !arrived.peer.roaming {
                self.sources.full(now, Full::Answer(arrived.peer.id));
            }
            return;
        }
        self.send_back(arrived, bytes);
    }

    /// A refusal outside any transaction: told and counted, but no record is written, for nothing here can tell a
    /// copy from the first one.
    pub(super) fn refuse_stateless(&mut self, now: Now, arrived: &Arrived<'_>, wrong: &Wrong) {
        self.refuse_quietly(now, arrived, wrong);
        self.alert(refusal_alert(now, arrived, wrong));
    }

    /// The same without an alert of its own: whoever refuses folds them.
    pub(super) fn refuse_quietly(&mut self, now: Now, arrived: &Arrived<'_>, wrong: &Wrong) {
        self.counts.rejected += 1;
        self.answer_stateless(now, arrived, wrong);
    }

    /// A refusal's answer outside any transaction.
    pub(super) fn answer_stateless(&mut self, now: Now, arrived: &Arrived<'_>, wrong: &Wrong) {
        let tag = self.stateless_tag(arrived);
        let bytes = refuse::answer(arrived.message, &arrived.flow, arrived.peer, wrong, &tag);
        self.send_bounded(now, arrived, wrong.refusal.status, bytes);
    }

    pub(super) fn send_back(&mut self, arrived: &Arrived<'_>, bytes: bytes::Bytes) {
        self.flush();
        let hop = response_hop(&arrived.flow, &arrived.message.top_via());
        self.outputs.push_back(Output::Send { hop, bytes });
    }

    /// RFC 3261 §8.2.7: the tag of a stateless answer is the same for every copy of the request. Keyed, so that
    /// nobody can foretell a tag of ours.
    fn stateless_tag(&self, arrived: &Arrived<'_>) -> [u8; 16] {
        hex16(self.stateless_bits(arrived))
    }

    /// Bits that are the same for every copy of a request, and that nobody can foretell.
    pub(super) fn stateless_bits(&self, arrived: &Arrived<'_>) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.tag_seed.hash(&mut hasher);
        arrived.message.call_id().hash(&mut hasher);
        arrived.message.from_tag().hash(&mut hasher);
        arrived.message.cseq().number.hash(&mut hasher);
        arrived.message.top_via().branch.hash(&mut hasher);
        hasher.finish()
    }
}

/// The alert that goes with a refusal.
pub(super) fn refusal_alert(now: Now, arrived: &Arrived<'_>, wrong: &Wrong) -> Box<Alert> {
    let mut alert = Alert::new(wrong.refusal.code, now.wall, wrong.told());
    alert.peer = Some(std::sync::Arc::clone(&arrived.peer.name));
    alert.source = Some(arrived.flow.remote);
    alert.transport = Some(arrived.flow.transport);
    alert.call_id = Some(shortened(&String::from_utf8_lossy(arrived.message.call_id())));
    alert.sip_status = Some(wrong.refusal.status);
    Box::new(alert)
}
