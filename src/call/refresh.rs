//! Refreshes: the edge keeps each leg's session alive, or finds out that it is dead.
//!
//! Owns when a leg is refreshed, by what, and what a refusal means. Refuses to know how an interval is negotiated
//! (`session_timer.rs`). A refresh of ours never crosses, unless its answer changes the session: then the other leg is told.
//! A dead leg ends the call.
//! Read first: RFC 4028 §7.4, §9, §10; RFC 3261 §14.1; RFC 3311 §5.

use std::sync::Arc;
use std::time::Duration;

use super::core::{Core, Ending};
use super::hangup::{self, Unanswered};
use super::joined::{comes_again, unjoined};
use super::leg::{Carried, Leg, Outgoing, Status};
use super::media::Saying;
use super::offer::Offer;
use super::record::{Disposition, EndedBy};
use super::session_timer::{Asked, Role, grant};
use super::talk::Talk;
use super::{Branch, Context, Effect, Failure, Phase, Side};
use crate::clock::Tick;
use crate::policy::code;
use crate::sip::headers::retry_after;
use crate::sip::{Flow, HeaderName, Message, Method};

/// Before a refresh that found no room in the table of client transactions is tried again.
const NO_ROOM_PAUSE: Duration = Duration::from_secs(2);

/// Before a session that has come to its end is looked at again.
const EXPIRY_AGAIN: Duration = Duration::from_secs(1);

/// 491s and 422s to one refresh that are followed by another try at once.
const TRIES_MAX: u8 = 6;

/// Refusals of what a peer must be told, after which it is told no more: what is left of the session is for a plain refresh.
const TELLS_REFUSED_MAX: u8 = 2;

/// Times in a row that one leg is told what the other answered: two peers that agree need two, and two that answer each
/// other by something new for ever are left there.
const TELLS_IN_A_ROW_MAX: u8 = 4;

/// What is left of a session below which a refused refresh is not tried again.
const LAST_TRY: Duration = Duration::from_secs(2);

/// How far our refresh of a leg is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Stage {
    /// Not due, or waiting for its time.
    #[default]
    Idle,
    /// Ours is out.
    Out { branch: Branch, means: Means },
}

/// Our refresh of one leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Refreshing {
    stage: Stage,
    /// Tries since the last 2xx.
    tries: u8,
    /// Whether a Retry-After was heeded since the last 2xx.
    waited: bool,
    /// What the peer must be told besides: the next one goes as this, whoever refreshes.
    wanted: Option<Means>,
    /// When the session ends unless it is refreshed.
    ends: Tick,
}

/// What a refresh was sent as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Means {
    /// UPDATE without a body.
    Update,
    /// Re-INVITE with the session description that stands.
    Reinvite,
    /// The same, since the peer took another one that its author was told it had not taken.
    Restore,
    /// The same, since it talks to somebody else from now on: a transfer.
    Join,
    /// The same, since the other leg's peer has changed it in an answer to us: the how manieth in a row.
    Tell(u8),
}

impl Means {
    /// Whether it tells the peer what it does not know.
    const fn tells(self) -> bool {
        match self {
            Self::Restore | Self::Join | Self::Tell(_) => true,
            Self::Update | Self::Reinvite => false,
        }
    }

    /// As what the other leg is told what the answer to this one changed; `None` where that is enough.
    fn told_on(self) -> Option<Self> {
        match self {
            Self::Reinvite | Self::Restore | Self::Join => Some(Self::Tell(1)),
            Self::Tell(row) if row < TELLS_IN_A_ROW_MAX => Some(Self::Tell(row + 1)),
            Self::Tell(_) | Self::Update => None,
        }
    }
}

impl Refreshing {
    /// The peer knows what stands.
    pub fn told(&mut self) {
        self.wanted = None;
    }
}

impl Core {
    /// The status for an INVITE or UPDATE of a peer whose session timer cannot be granted (RFC 4028 §9).
    pub fn session_refuses(&self, side: Side, request: &Message) -> Option<u16> {
        match Asked::read(request) {
            // DESIGN.md law 3: an emergency goes on without one.
            _ if self.story.emergency => None,
            Err(_) => Some(400),
            Ok(asked) => grant(&self.leg(side).peer.session_timers, &asked).is_err().then_some(422),
        }
    }

    /// Refuses the call for it. A 422 is part of how peers find an interval, and nothing to alert about.
    pub fn refuse_session(&mut self, status: u16, context: &mut Context<'_>) -> Phase {
        let why = if status == 422 {
            "the session interval asked for is below `min_se`"
        } else {
            "Session-Expires or Min-SE cannot be read"
        };
        if status != 422 {
            self.alert(code::HEADER_VALUE_INVALID, why, Some(status), context);
        }
        let ending = Ending::new(EndedBy::Edge, Disposition::Refused, status, why);
        hangup::begin(self, Unanswered::default(), &ending, None, context)
    }

    /// A 2xx of ours to an INVITE or UPDATE of this leg's peer is out: the session counts from here.
    pub fn session_answered(&mut self, side: Side, request: &Message, context: &mut Context<'_>) {
        let leg = self.leg_mut(side);
        leg.timer.note_allow(request);
        let granted =
            Asked::read(request).ok().and_then(|asked| grant(&leg.peer.session_timers, &asked).ok());
        if let Some(granted) = granted {
            leg.timer.granted(granted);
        }
        self.renew(side, context);
    }

    /// A 2xx of this leg's peer to an INVITE or UPDATE of ours came: the session counts from here.
    pub fn session_heard(&mut self, side: Side, response: &Message, context: &mut Context<'_>) {
        let leg = self.leg_mut(side);
        leg.timer.note_allow(response);
        leg.timer.heard(response, &leg.peer.session_timers);
        self.renew(side, context);
    }

    fn renew(&mut self, side: Side, context: &mut Context<'_>) {
        let leg = self.leg_mut(side);
        leg.refreshing.tries = 0;
        leg.refreshing.waited = false;
        leg.refreshing.ends = context.now.tick.after(leg.timer.end());
        if leg.refreshing.wanted.is_some() && leg.refreshing.stage == Stage::Idle {
            return self.refresh_after_a_pause(side, context);
        }
        let pause = leg.timer.due();
        self.refresh_later(side, pause, context);
    }

    /// Re-INVITEs of ours that refresh a leg and have no final answer.
    pub fn open_refreshes(&self) -> Vec<(Side, Branch)> {
        let open = |side| match self.leg(side).refreshing.stage {
            Stage::Out { branch, means: Means::Reinvite | Means::Restore | Means::Join | Means::Tell(_) } => {
                Some((side, branch))
            }
            Stage::Out { means: Means::Update, .. } | Stage::Idle => None,
        };
        [Side::A, Side::B].into_iter().filter_map(open).collect()
    }

    /// Whether any refresh of ours is out.
    pub fn is_refreshing(&self) -> bool {
        [&self.a, &self.b].into_iter().any(|leg| leg.refreshing.stage != Stage::Idle)
    }

    /// A refresh of ours goes again under another branch; false when this branch is of none.
    pub fn refresh_renews(&mut self, old: Branch, new: Branch) -> bool {
        for side in [Side::A, Side::B] {
            if let Stage::Out { branch, .. } = &mut self.leg_mut(side).refreshing.stage
                && *branch == old
            {
                *branch = new;
                return true;
            }
        }
        false
    }

    /// The refresh that this branch is, which has come to its end.
    pub fn take_refresh(&mut self, branch: Branch) -> Option<(Side, Means)> {
        for side in [Side::A, Side::B] {
            let stage = &mut self.leg_mut(side).refreshing.stage;
            match *stage {
                Stage::Out { branch: out, means } if out == branch => {
                    *stage = Stage::Idle;
                    return Some((side, means));
                }
                Stage::Out { .. } | Stage::Idle => {}
            }
        }
        None
    }

    /// A refresh that nobody answered: whose, if that peer is dead. One that found no room here is tried again.
    pub fn refresh_failed(
        &mut self,
        branch: Branch,
        failure: Failure,
        context: &mut Context<'_>,
    ) -> Option<Side> {
        let (side, means) = self.take_refresh(branch)?;
        match failure {
            Failure::Timeout | Failure::Transport => return Some(side),
            // It is as large the next time; the session is left to expire.
            Failure::Oversize => {
                self.let_expire(side, context);
                return None;
            }
            Failure::Full => {}
        }
        match means {
            Means::Update | Means::Reinvite => {}
            Means::Restore | Means::Join | Means::Tell(_) => {
                self.leg_mut(side).refreshing.wanted = Some(means)
            }
        }
        self.refresh_later(side, NO_ROOM_PAUSE, context);
        None
    }

    /// Refreshes a leg: by UPDATE where the peer takes it and there is nothing to tell, else by the session description
    /// that stands. Where there is neither, the session is left to expire.
    fn refresh(&mut self, side: Side, context: &mut Context<'_>) {
        self.say_again(side, context);
        let branch = Branch(context.random.bits());
        let policy = Arc::clone(&self.policy);
        let leg = self.leg_mut(side);
        let wanted = leg.refreshing.wanted.take();
        let (means, sdp) = match leg.sdp.take() {
            sdp if (wanted.is_none() || sdp.is_none()) && leg.timer.updates() && leg.allows_update => {
                (Means::Update, sdp)
            }
            Some(sdp) => (wanted.unwrap_or(Means::Reinvite), Some(sdp)),
            None => return self.let_expire(side, context),
        };
        let (method, invite) = match means {
            Means::Update => (Method::Update, false),
            Means::Reinvite | Means::Restore | Means::Join | Means::Tell(_) => (Method::Invite, true),
        };
        let cseq = leg.next_cseq();
        let outgoing = Outgoing {
            carried: sdp.as_deref().filter(|_| invite).map_or(Carried::Nothing, Carried::Sdp),
            ..Outgoing::bare(&method, branch, cseq)
        };
        let (hop, bytes) = leg.request(&policy, context.settings, &outgoing);
        leg.sdp = sdp;
        leg.refreshing.stage = Stage::Out { branch, means };
        if invite {
            leg.late_offer = false;
            // An UPDATE has a time of its own; an INVITE that was heard may be open for ever.
            let patience = leg.left(context.now.tick).max(context.settings.timing.give_up());
            self.refresh_later(side, patience, context);
        }
        context.effects.push(Effect::Request { branch, side, invite, hop, bytes });
    }

    /// Comes back to a leg after a pause.
    fn refresh_later(&self, side: Side, pause: Duration, context: &mut Context<'_>) {
        context.effects.push(Effect::Arm { timer: side.session(), at: context.now.tick.after(pause) });
    }

    /// The same after a random one.
    fn refresh_after_a_pause(&self, side: Side, context: &mut Context<'_>) {
        let pause = back_off(side, context);
        self.refresh_later(side, pause, context);
    }

    /// Comes back when the session ends, if it does.
    fn let_expire(&self, side: Side, context: &mut Context<'_>) {
        if self.leg(side).timer.expires() {
            // Never at once: a session that has ended is ended by whoever finds it so, and not by coming back.
            let at = self.leg(side).refreshing.ends.max(context.now.tick.after(EXPIRY_AGAIN));
            context.effects.push(Effect::Arm { timer: side.session(), at });
        } else {
            context.effects.push(Effect::Disarm(side.session()));
        }
    }

    /// A refresh was refused for good: another one after half of what is left, until nothing is (RFC 4028 §10).
    fn refresh_once_more(&self, side: Side, context: &mut Context<'_>) {
        let left = self.leg(side).left(context.now.tick);
        if self.leg(side).timer.expires() && left <= LAST_TRY {
            return self.let_expire(side, context);
        }
        let pause = if self.leg(side).timer.expires() { left / 2 } else { left };
        self.refresh_later(side, pause, context);
    }
}

impl Leg {
    /// How long the session still lasts; of one that does not expire, how long until it is refreshed.
    fn left(&self, now: Tick) -> Duration {
        if self.timer.expires() { self.refreshing.ends.since(now) } else { self.timer.due() }
    }

    /// Whether there is a request that refreshes it: an UPDATE that the peer takes, or a session description to offer again.
    fn can_refresh(&self) -> bool {
        self.sdp.is_some() || self.timer.updates() && self.allows_update
    }

    /// Whether the session has come to its end.
    fn is_expired(&self, now: Tick) -> bool {
        self.timer.expires() && self.refreshing.ends <= now
    }
}

/// RFC 3261 §14.1: who made the Call-ID waits 2.1 to 4 s, the other 0 to 2 s, in units of 10 ms. Leg A's is the caller's.
fn back_off(side: Side, context: &mut Context<'_>) -> Duration {
    let units = match side {
        Side::A => context.random.below(201),
        Side::B => 210 + context.random.below(191),
    };
    Duration::from_millis(10) * units
}

impl Talk {
    /// A leg's deadline: it is refreshed, or was not refreshed in time.
    pub(super) fn session_due(self, core: &mut Core, side: Side, context: &mut Context<'_>) -> Phase {
        let now = context.now.tick;
        if core.leg(side).status != Status::Up {
            return Phase::Talk(self);
        }
        match core.leg(side).refreshing.stage {
            Stage::Idle => {}
            Stage::Out { means: Means::Update, .. } => return Phase::Talk(self),
            // RFC 4028 §10: the session expires before our refresh is answered, though it was heard.
            Stage::Out { means: Means::Reinvite | Means::Restore | Means::Join | Means::Tell(_), .. } => {
                return self.leg_is_dead(core, side, "the peer does not answer", context);
            }
        }
        if self.is_inviting(core) || core.leg(side).offer != Offer::Agreed {
            // What is under way refreshes the session, or comes to an end.
            let pause = back_off(Side::B, context);
            core.refresh_later(side, pause, context);
            return Phase::Talk(self);
        }
        let leg = core.leg(side);
        match leg.timer.role() {
            Role::Edge if leg.is_expired(now) && leg.refreshing.tries > 0 => {
                return self.leg_is_dead(core, side, "the peer refuses to refresh the session", context);
            }
            Role::Edge if leg.is_expired(now) && !leg.can_refresh() => {
                return self.leg_is_dead(core, side, "there is nothing to refresh the session with", context);
            }
            // RFC 4028 §10: the peer is to refresh and did not.
            Role::Peer if leg.is_expired(now) => {
                return self.leg_is_dead(core, side, "the peer did not refresh the session", context);
            }
            Role::Peer if leg.refreshing.wanted.is_none() => core.let_expire(side, context),
            Role::Edge | Role::Peer => core.refresh(side, context),
        }
        Phase::Talk(self)
    }

    /// This leg's peer took an offer whose author was told that it was not taken: it is offered again what stands.
    pub(super) fn restore(&self, core: &mut Core, side: Side, context: &mut Context<'_>) {
        self.tell(core, side, Means::Restore, context);
    }

    /// A leg has come from another call: its peer is told where it talks to now.
    pub(super) fn joined(&self, core: &mut Core, side: Side, context: &mut Context<'_>) {
        self.tell(core, side, Means::Join, context);
    }

    /// This leg's peer is sent the session description that stands, at once or as soon as nothing else is under way.
    fn tell(&self, core: &mut Core, side: Side, means: Means, context: &mut Context<'_>) {
        if core.leg(side).status != Status::Up {
            return;
        }
        core.leg_mut(side).refreshing.wanted = Some(means);
        match core.leg(side).refreshing.stage {
            // Its end comes back to it.
            Stage::Out { .. } => {}
            Stage::Idle if self.is_inviting(core) || core.leg(side).offer != Offer::Agreed => {
                core.refresh_after_a_pause(side, context);
            }
            Stage::Idle => core.refresh(side, context),
        }
    }

    /// The final answer to a refresh of ours.
    pub(super) fn refresh_answered(
        self,
        core: &mut Core,
        (side, means, branch): (Side, Means, Branch),
        flow: &Flow,
        message: &Message,
        context: &mut Context<'_>,
    ) -> Phase {
        match message.status().unwrap_or(500) {
            ..=299 => {
                let policy = Arc::clone(&core.policy);
                core.leg_mut(side).refresh(message, flow, &policy);
                match means {
                    Means::Reinvite | Means::Restore | Means::Join | Means::Tell(_) => {
                        core.acknowledge(side, message.cseq().number, branch, Carried::Nothing, context);
                    }
                    Means::Update => core.leg_mut(side).timer.note_update(true),
                }
                core.session_heard(side, message, context);
                // RFC 3264 §8: what it answers to news of the other leg is news to that one too, or the two would talk by
                // different words.
                if core.is_anchored() && means != Means::Update {
                    // What it says of codecs and directions stays on its leg; where it is, and its key, the anchor takes.
                    if let Err(cause) = core.media_repeated(side, message, context) {
                        let ending = core.untaken(cause, Saying::Renewing, context);
                        return self.end(core, &ending, None, context);
                    }
                } else if let Some(told) = means.told_on()
                    && core.is_news(side, message)
                {
                    core.keep_sdp(side.other(), message);
                    self.tell(core, side.other(), told, context);
                }
            }
            // RFC 4028 §10, RFC 3261 §12.2.1.2: the peer knows the call no longer.
            481 => return self.leg_is_dead(core, side, "the peer no longer knows the call", context),
            408 => return self.leg_is_dead(core, side, "the peer does not answer", context),
            status if means == Means::Join && core.keeps_asking(status) => {
                core.leg_mut(side).refreshing.wanted = Some(means);
                core.refresh_after_a_pause(side, context);
            }
            status if means == Means::Join && !comes_again(status, message) => {
                return self.end(core, &unjoined(), None, context);
            }
            status => refused(core, (side, means), status, message, context),
        }
        Phase::Talk(self)
    }
}

/// A refresh that was refused. The call goes on: who refused it is alive (RFC 4028 §10).
fn refused(
    core: &mut Core,
    (side, means): (Side, Means),
    status: u16,
    message: &Message,
    context: &mut Context<'_>,
) {
    let leg = core.leg_mut(side);
    let left = leg.left(context.now.tick);
    let again = leg.refreshing.tries < TRIES_MAX;
    leg.refreshing.tries = leg.refreshing.tries.saturating_add(1);
    let wanted = leg.refreshing.wanted.or(means.tells().then_some(means));
    match status {
        491 if again => {
            leg.refreshing.wanted = wanted;
            core.refresh_after_a_pause(side, context);
        }
        422 if again && leg.timer.raise(message) => {
            leg.refreshing.wanted = wanted;
            core.refresh_later(side, Duration::ZERO, context);
        }
        500 if !leg.refreshing.waited && message.has(HeaderName::RetryAfter) => {
            leg.refreshing.waited = true;
            leg.refreshing.wanted = wanted;
            let seconds = message.header(HeaderName::RetryAfter).and_then(retry_after).unwrap_or(1);
            // Half of what is left until the session expires, so that the other try comes in time.
            let pause = Duration::from_secs(u64::from(seconds)).min(left / 2);
            core.refresh_later(side, pause, context);
        }
        _ => match means {
            Means::Update => {
                leg.timer.note_update(false);
                // By way of its deadline: an exchange may have begun while the UPDATE was out (RFC 3261 §14.1).
                core.refresh_later(side, Duration::ZERO, context);
            }
            Means::Reinvite | Means::Restore | Means::Join | Means::Tell(_) => {
                // RFC 3261 §14.1: what stood with this peer stands on, and the other one has moved. A phone that would not
                // then may do so at the next refresh.
                if leg.refreshing.tries < TELLS_REFUSED_MAX {
                    leg.refreshing.wanted = wanted;
                }
                core.refresh_once_more(side, context);
            }
        },
    }
}
