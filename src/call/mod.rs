//! One call: two legs, one truth. A pure machine: events in, effects out.
//!
//! Owns the back-to-back user agent. Refuses to know sockets, the transaction tables and how a verdict is reached.
//! Read first: RFC 3261 §9, §12-15; RFC 6026; RFC 7332; RFC 3326.

mod anchored;
pub mod answer;
mod answered;
pub mod asserted;
pub mod caller;
mod challenge;
mod content;
mod core;
mod denied;
mod dialog;
mod early;
pub mod effect;
pub mod event;
mod exchange;
mod hangup;
mod help;
pub mod identity;
mod invite;
mod joined;
pub mod kept;
pub mod leg;
mod location;
pub mod meaning;
pub mod media;
mod merged;
mod notice;
mod offer;
mod outgoing;
pub mod passed;
mod provisional;
mod reach;
pub mod record;
pub mod redirect;
mod refer;
mod refresh;
mod relay;
pub mod reliable;
mod reviewed;
pub mod rewrite;
mod sent_on;
pub mod session_timer;
mod setup;
mod side;
mod standing;
mod story;
mod stray;
mod talk;
mod targets;
pub mod told;
mod transfer;
mod untaken;
mod update;
pub mod visits;
mod way;

use std::net::IpAddr;
use std::sync::Arc;

use crate::clock::{Now, Tick};
use crate::media::order::Fingerprint;
use crate::media::ports::Ports;
use crate::policy::meter::Meter;
use crate::policy::number::Known;
use crate::policy::route::Candidate;
use crate::policy::{Code, Parties, Peer, Place, Policy, Refusal, Reservation, Trail, code};
use crate::sip::{Flow, ListenerId, Message, Transport};

pub use effect::{Effect, Effects};
pub use event::{EndCause, Event, Failure, Timer};
pub use identity::{Branch, LocalTag, Random};
pub(crate) use invite::request_host;
pub use joined::{Handed, Placing};
use leg::Leg;
pub use merged::{Seek, Sought};
pub use record::CallRecord;
use relay::Relays;
pub use stray::{Farewell, Past};
pub use targets::{PAUSE_MIN, Pause};

/// A leg of a call: A called us, B is called by us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The caller's leg.
    A,
    /// The callee's leg.
    B,
}

/// A server transaction of the engine's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ServerId(pub u64);

/// Why the gate did not open for a candidate.
#[derive(Debug)]
pub enum Closed {
    /// It is down.
    Down,
    /// Calls go there more slowly than they come, or it asked for a pause: it may open at this tick.
    Busy(Tick),
    /// A cap or rule says no for this target.
    Refused(Box<Refusal>),
}

/// How much a call wants a target.
#[derive(Debug, Clone, Copy)]
pub enum Urge<'a> {
    /// As one of several that are up.
    Usual,
    /// Even if it is down: every other one is as well.
    LastResort,
    /// It stood in its line; even if it went down meanwhile.
    Turn(&'a Place),
    /// For help in danger to life: whatever is paced or capped.
    Emergency {
        /// Even if it is down: every other one was tried.
        down: bool,
    },
}

/// What a call asks of the policy each time it turns to another target. The engine implements it.
pub trait Gate {
    /// Puts candidates whose peers fail half of their calls behind the others; the order stays otherwise.
    fn prefer(&mut self, now: Now, candidates: &mut [Candidate]);
    /// Admits and reserves, or says why not. What the call `holds` at targets it gave up is not taken again.
    fn open(
        &mut self,
        now: Now,
        candidate: &Candidate,
        urge: Urge<'_>,
        holds: &Reservation,
    ) -> Result<Reservation, Closed>;
    /// Stands in the line of a busy candidate whose turn would come at `turn`, or says that this is too late.
    fn join(
        &mut self,
        now: Now,
        candidate: &Candidate,
        parties: Parties,
        turn: Tick,
    ) -> Result<Place, Box<Refusal>>;
    /// The refusal of a call that waits no longer.
    fn waited(&mut self, now: Now, candidate: &Candidate, turn: Tick) -> Box<Refusal>;
    /// A target did not answer what was sent when it `began`, or broke its transport: the engine may mark it.
    fn failed(&mut self, now: Now, candidate: &Candidate, parties: Parties, failure: Failure, began: Tick);
    /// One transport of a target cannot be reached; another is tried.
    fn fell_back(&mut self, now: Now, candidate: &Candidate, from: Transport, to: Transport);
    /// A target asked for a pause between calls when these called; whether it has one now.
    fn held(&mut self, now: Now, candidate: &Candidate, parties: Parties, asked: Pause) -> bool;
    /// A target answered 503 or 408 and asked for no pause: another one is tried.
    fn unserved(&mut self, now: Now, candidate: &Candidate, parties: Parties);
    /// Judges the number that the peer which is called sends the call on to. `draw` are random bits.
    ///
    /// # Errors
    /// Why the call goes nowhere.
    fn redirected(
        &mut self,
        now: Now,
        asked: &redirect::Redirect<'_>,
        draw: u64,
    ) -> Result<Box<redirect::Redirected>, Box<Refusal>>;
    /// Judges the number that a peer in a call transfers it to. `draw` are random bits.
    ///
    /// # Errors
    /// Why the call stays where it is.
    fn referred(
        &mut self,
        now: Now,
        asked: &redirect::Transfer<'_>,
        draw: u64,
    ) -> Result<Box<redirect::Redirected>, Box<Refusal>>;
    /// Looks at what a live call uses: when to look again, if ever.
    ///
    /// # Errors
    /// The limit that lets it go no further.
    fn meter(&mut self, now: Now, meter: &mut Meter) -> Result<Option<Tick>, Box<Over>>;
    /// A target answered a call: as one that works, or not (`failed` says so by itself).
    fn noted(&mut self, now: Now, candidate: &Candidate, parties: Parties, served: bool);
}

/// A limit that lets a live call go no further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Over {
    /// The alert.
    pub code: Code,
    /// What the admin is told, with the cure.
    pub words: String,
    /// Where it stands.
    pub rule: Arc<str>,
}

/// What a transition may use besides the event.
pub struct Context<'a> {
    /// The one clock reading.
    pub now: Now,
    /// Seeded cryptographic generator.
    pub random: &'a mut Random,
    /// Settings of calls.
    pub settings: &'a Settings,
    /// Admission of targets.
    pub gate: &'a mut dyn Gate,
    /// Where effects go, in order.
    pub effects: &'a mut Effects,
    /// What media is anchored with; `None` where descriptions cross as they come.
    pub media: Option<MediaMeans<'a>>,
}

/// What media is anchored with.
#[derive(Debug)]
pub struct MediaMeans<'a> {
    /// The ports of all calls.
    pub ports: &'a mut Ports,
    /// The number of the next call's media.
    pub next: &'a mut u64,
    /// What our certificate hashes to; none where there is nobody to shake hands.
    pub fingerprint: Option<&'a Fingerprint>,
}

/// Settings shared by all calls.
#[derive(Debug, Clone)]
pub struct Settings {
    /// T1, T2, T4, for the 2xx retransmissions that the call itself makes.
    pub timing: crate::transaction::Timing,
    /// Relayed INFO requests that may be open at once on one call; more are answered 500 with Retry-After.
    pub relays_max: usize,
    /// The product name for Server, User-Agent; empty writes none (default).
    pub product: Arc<str>,
    /// Requests larger than this go over TCP where the target has it (RFC 3261 §18.1.1). Default 1300.
    pub udp_request_bytes_max: usize,
}

/// What a call is born from: an INVITE that was admitted.
pub struct Begin<'a> {
    /// A's INVITE.
    pub invite: &'a Message,
    /// Where it came from.
    pub flow: Flow,
    /// Its server transaction.
    pub server: ServerId,
    /// Who called.
    pub peer: Arc<Peer>,
    /// The policy that admitted it; the call finishes under it.
    pub policy: Arc<Policy>,
    /// Where it may go, in order.
    pub candidates: smallvec::SmallVec<[Candidate; 2]>,
    /// A's own reservation (its peer's concurrent calls).
    pub reservations: smallvec::SmallVec<[Reservation; 2]>,
    /// What was asked and said.
    pub trail: Trail,
    /// Longest time from answer.
    pub duration_max: std::time::Duration,
    /// How long it may ring at most, where that is less than its targets' own time.
    pub ring_max: Option<std::time::Duration>,
    /// Caller and called as policy read them.
    pub caller: &'a str,
    /// Called as dialled.
    pub called: &'a str,
    /// How that was read under the caller's dial plan.
    pub number: Option<Known>,
    /// Whether the policy names it exactly: then it may leave as it was dialled.
    pub named: bool,
    /// How the caller is shown.
    pub shown: caller::Shown,
    /// Whether the caller asks not to be shown.
    pub hidden: bool,
    /// Whether it calls for help in danger to life.
    pub emergency: bool,
    /// The direction routed.
    pub direction: crate::policy::Direction,
    /// The user whose password the INVITE proved.
    pub credential: Option<Arc<str>>,
    /// Who sent the call on, where somebody did.
    pub forwarder: Option<Box<str>>,
}

/// The call's own status; each leg keeps its dialog status apart from it.
#[derive(Debug)]
enum Phase {
    /// Before the final answer.
    Setup(Box<setup::Setup>),
    /// Answered.
    Talk(talk::Talk),
    /// Ending.
    Hangup(hangup::Hangup),
    /// Nothing is left; also what stands here while a transition runs.
    Over,
}

/// A call. The engine keeps it in its table until `Effect::Ended`.
#[derive(Debug)]
pub struct Call {
    /// Boxed: it is a kilobyte, and a call is handed on several times before it stands in the engine's table.
    core: Box<core::Core>,
    phase: Phase,
}

impl Call {
    /// A call that has turned to nobody yet, and whether what its INVITE says of the caller can be read: [`Self::open`] follows.
    pub fn born(begin: Begin<'_>, context: &mut Context<'_>) -> (Self, bool) {
        let Begin { invite, flow, server, peer, policy, mut candidates, reservations, trail, number, .. } =
            begin;
        context.gate.prefer(context.now, &mut candidates);
        let story = story::Story {
            id: (u128::from(context.random.bits()) << 64) | u128::from(context.random.bits()),
            direction: begin.direction,
            from: begin.caller.into(),
            to: begin.called.into(),
            named: begin.named,
            hidden: begin.hidden,
            emergency: begin.emergency,
            asserted: caller::is_asserted(invite, &peer.identity),
            began: context.now.wall,
            began_at: context.now.tick,
            rang: None,
            answered: None,
            caller: Box::new(story::CallerStory {
                leg: leg_record(invite, &flow, &peer),
                credential: begin.credential,
                forwarder: begin.forwarder,
                shown: begin.shown,
                dialled: None,
                number,
                replaced: false,
                secure: matches!(invite.uri(), Some(crate::sip::Uri::Sip(uri)) if uri.secure),
                follows: None,
            }),
            tried: Vec::with_capacity(1),
            trail: trail.into_vec().into_boxed_slice(),
            messages: passed::Messages::with_room(),
        };
        let callee = candidates.first().and_then(|first| policy.peer(first.peer)).unwrap_or(&peer);
        let b = Leg::callee(Arc::clone(callee), flow.back(), context.random);
        let (a, readable) = Leg::invited(invite, &flow, server, peer, reservations, &policy, context.random);
        context.effects.push(Effect::Bind { tag: a.local_tag, side: Side::A });
        context.effects.push(Effect::Bind { tag: b.local_tag, side: Side::B });
        let mut core = Box::new(core::Core::new(policy, (a, b), story, begin.duration_max, context));
        core.b.other = (core.a.peer.id, begin.hidden);
        let message = content::opening(invite, begin.emergency);
        core.invite = Some(Box::new(answer::Pending { server, message, source: flow.remote }));
        core.note_came(Side::A, invite, None, context.now.tick);
        core.begin_keep_alive(&candidates, context);
        let known = readable.is_ok();
        let location = core.located(invite, known, context);
        let setup = setup::Setup::from_there(candidates, location, begin.ring_max);
        // Who has a name can be answered, wherever it says that it is.
        let readable = known || begin.emergency && !core.a.remote.is_empty();
        (Self { core, phase: Phase::Setup(Box::new(setup)) }, readable)
    }

    /// Builds leg B towards the first open candidate.
    pub fn open(&mut self, readable: bool, context: &mut Context<'_>) {
        let setup = match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Setup(setup) => setup,
            // One that was recalled turns to nobody.
            phase @ (Phase::Talk(_) | Phase::Hangup(_) | Phase::Over) => return self.phase = phase,
        };
        let core = &mut self.core;
        let invite = core.invite.as_deref().map(|pending| &pending.message);
        let refused = invite.and_then(|invite| core.session_refuses(Side::A, invite));
        self.phase = match refused {
            _ if !readable => {
                let why = "Contact, Record-Route or Call-ID is too long or cannot be read";
                core.alert(code::HEADER_VALUE_INVALID, why, Some(400), context);
                let ending = core::Ending::new(record::EndedBy::Edge, record::Disposition::Refused, 400, why);
                hangup::begin(core, hangup::Unanswered::default(), &ending, None, context)
            }
            Some(status) => core.refuse_session(status, context),
            None => setup.next_target(core, context),
        };
        core.note_sent(context);
    }

    /// The user whose password its INVITE proved, as long as that is who calls.
    #[must_use]
    pub fn credential(&self) -> Option<&Arc<str>> {
        let caller = &self.core.story.caller;
        caller.credential.as_ref().filter(|_| !caller.replaced)
    }

    /// Whom its caller dialled.
    #[must_use]
    pub fn called(&self) -> &str {
        let story = &self.core.story;
        story.caller.dialled.as_deref().unwrap_or(&story.to)
    }

    /// Where its legs stand: the listener and the far address.
    pub fn ways(&self) -> impl Iterator<Item = (ListenerId, IpAddr)> {
        [&self.core.a, &self.core.b].map(|leg| (leg.hop.listener, leg.hop.remote.ip())).into_iter()
    }

    /// The phase it stands in; `None` when nothing is left of it.
    #[must_use]
    pub const fn phase(&self) -> Option<visits::PhaseName> {
        match self.phase {
            Phase::Setup(_) => Some(visits::PhaseName::Setup),
            Phase::Talk(_) => Some(visits::PhaseName::Talk),
            Phase::Hangup(_) => Some(visits::PhaseName::Hangup),
            Phase::Over => None,
        }
    }

    /// One event.
    pub fn on(&mut self, event: Event<'_>, context: &mut Context<'_>) {
        self.core.noted = passed::count(context.effects);
        self.core.note_event(&event, context.now.tick);
        if matches!(event, Event::Timer(Timer::KeepAlive)) {
            return self.core.keep_alive(context);
        }
        if self.core.refuses_clear(&event, context) || self.core.refuses_keys(&event, context) {
            return self.core.note_sent(context);
        }
        let narrowed = self.core.take_up(&event, context);
        let event = match &narrowed {
            Some(message) => event.bringing(message),
            None => event,
        };
        self.core.follow(&event);
        if let Event::Response { side, branch, flow, message, proof } = &event
            && self.challenged((*side, *branch), flow, message, *proof, context)
        {
            return self.core.note_sent(context);
        }
        self.phase = match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Setup(setup) => setup.on(&mut self.core, event, context),
            Phase::Talk(talk) => talk.on(&mut self.core, event, context),
            Phase::Hangup(hangup) => hangup.on(&mut self.core, event, context),
            Phase::Over => Phase::Over,
        };
        self.core.note_sent(context);
    }

    /// Gives back the ports of a call that can no longer be asked how it ends.
    pub fn forsake(&mut self, context: &mut Context<'_>) {
        self.core.media_closed(context);
    }

    /// An alert about it.
    pub fn tell(&mut self, code: code::Code, text: &str, context: &mut Context<'_>) {
        self.core.noted = passed::count(context.effects);
        self.core.alert(code, text, None, context);
    }

    /// A key of its media with one peer has served its lifetime: that leg is refreshed with another. False where no call is
    /// up that could be.
    pub fn renew_key(&mut self, side: Side, context: &mut Context<'_>) -> bool {
        self.core.noted = passed::count(context.effects);
        let Phase::Talk(talk) = &self.phase else { return false };
        self.core.media_spent(side);
        talk.restore(&mut self.core, side, context);
        self.core.note_sent(context);
        true
    }

    /// After a panic inside `on`: ends both legs from what the legs still know; never uses the broken phase.
    pub fn abandon(&mut self, context: &mut Context<'_>) {
        self.core.noted = passed::count(context.effects);
        let why = "internal error";
        let ending = core::Ending {
            reason: core::reason_text(why),
            ..core::Ending::new(record::EndedBy::Edge, record::Disposition::Failed, 500, why)
        };
        self.phase = hangup::begin(&mut self.core, hangup::Unanswered::default(), &ending, None, context);
    }
}

/// The caller's leg as its record begins.
fn leg_record(invite: &Message, flow: &Flow, peer: &Peer) -> record::LegRecord {
    record::LegRecord {
        peer: Arc::clone(&peer.name),
        call_id: String::from_utf8_lossy(invite.call_id()).into_owned(),
        remote: flow.remote,
        transport: flow.transport,
        status: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_small_enough_to_hold_many() {
        // A held call must stay below 3 kB with what it points to; this is the part that is always there.
        let bytes = size_of::<Call>() + size_of::<core::Core>();
        assert!(bytes <= 1_280, "{bytes} bytes");
    }
}
