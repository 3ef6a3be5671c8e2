//! Refreshes: the edge keeps each leg's session alive, or finds out that it is dead.
//!
//! Owns when a leg is refreshed, by what, and what a refusal means. Refuses to know how an interval is negotiated
//! (`session_timer.rs`) and the other leg: a refresh of ours never crosses, and a dead leg ends the call.
//! Read first: RFC 4028 §7.4, §9, §10; RFC 3261 §14.1; RFC 3311 §5.

use std::sync::Arc;
use std::time::Duration;

use super::core::{Core, Ending};
use super::hangup::{self, Unanswered};
use super::leg::{Carried, Outgoing};
use super::offer::Offer;
use super::record::{Disposition, EndedBy};
use super::session_timer::{Asked, Role, SDP_TYPE, grant};
use super::talk::Talk;
use super::{Branch, Context, Effect, Phase, Side};
use crate::policy::code;
use crate::sip::headers::retry_after;
use crate::sip::{Flow, HeaderName, Message, Method};

/// The longest session description kept for a re-INVITE of ours; a leg with a longer one is not refreshed that way.
const SDP_BYTES_MAX: usize = 4_096;

/// 491s and 422s to one refresh that are followed by another try.
const TRIES_MAX: u8 = 6;

/// How far our refresh of a leg is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Stage {
    /// Not due, or waiting for its time.
    #[default]
    Idle,
    /// Ours is out: an INVITE, or else an UPDATE.
    Out { branch: Branch, invite: bool },
}

/// Our refresh of one leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Refreshing {
    stage: Stage,
    /// Tries since the last 2xx.
    tries: u8,
    /// Whether a Retry-After was heeded since the last 2xx.
    waited: bool,
}

/// What a refresh was sent as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Means {
    /// UPDATE without a body.
    Update,
    /// Re-INVITE with the session description that stands.
    Reinvite,
}

impl Core {
    /// The status for an INVITE or UPDATE of a peer whose session timer cannot be granted (RFC 4028 §9).
    pub fn session_refuses(&self, side: Side, request: &Message) -> Option<u16> {
        match Asked::read(request) {
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
        if !leg.timer.may_reinvite() {
            leg.sdp = None;
        }
        let at = context.now.tick.after(leg.timer.due());
        context.effects.push(Effect::Arm { timer: side.session(), at });
    }

    /// Keeps the session description of a message that was sent on this leg and stands, if a refresh may need it: a
    /// re-INVITE must offer the very same again, `o=` line and all (RFC 4028 §7.4).
    pub fn keep_sdp(&mut self, side: Side, sent: &Message) {
        let body = sent.body();
        if body.is_empty() {
            return;
        }
        let kind = sent.header(HeaderName::ContentType).unwrap_or_default();
        let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default();
        let leg = self.leg_mut(side);
        let fits = leg.timer.may_reinvite()
            && body.len() <= SDP_BYTES_MAX
            && kind.trim_ascii().eq_ignore_ascii_case(SDP_TYPE);
        leg.sdp = fits.then(|| body.into());
    }

    /// Re-INVITEs of ours that refresh a leg and have no final answer.
    pub fn open_refreshes(&self) -> Vec<(Side, Branch)> {
        let open = |side| match self.leg(side).refreshing.stage {
            Stage::Out { branch, invite: true } => Some((side, branch)),
            Stage::Out { invite: false, .. } | Stage::Idle => None,
        };
        [Side::A, Side::B].into_iter().filter_map(open).collect()
    }

    /// The refresh that this branch is, which has come to its end.
    pub fn take_refresh(&mut self, branch: Branch) -> Option<(Side, Means)> {
        for side in [Side::A, Side::B] {
            let stage = &mut self.leg_mut(side).refreshing.stage;
            match *stage {
                Stage::Out { branch: out, invite } if out == branch => {
                    *stage = Stage::Idle;
                    return Some((side, if invite { Means::Reinvite } else { Means::Update }));
                }
                Stage::Out { .. } | Stage::Idle => {}
            }
        }
        None
    }

    /// Refreshes a leg: by UPDATE where the peer takes it, else by the session description that stands. Where there is
    /// neither, nothing is asked until the peers negotiate again.
    fn refresh(&mut self, side: Side, context: &mut Context<'_>) {
        let branch = Branch(context.random.bits());
        let policy = Arc::clone(&self.policy);
        let leg = self.leg_mut(side);
        let (method, sdp) = match leg.sdp.take() {
            sdp if leg.timer.updates() && leg.allows_update => (Method::Update, sdp),
            Some(sdp) => (Method::Invite, Some(sdp)),
            None => return,
        };
        let invite = method == Method::Invite;
        let cseq = leg.next_cseq();
        let outgoing = Outgoing {
            carried: sdp.as_deref().filter(|_| invite).map_or(Carried::Nothing, Carried::Sdp),
            ..Outgoing::bare(&method, branch, cseq)
        };
        let (hop, bytes) = leg.request(&policy, context.settings, &outgoing);
        leg.sdp = sdp;
        leg.late_offer = false;
        leg.refreshing.stage = Stage::Out { branch, invite };
        if invite {
            // An UPDATE has a time of its own; an INVITE that was heard may be open for ever.
            let at = context.now.tick.after(leg.timer.due());
            context.effects.push(Effect::Arm { timer: side.session(), at });
        }
        context.effects.push(Effect::Request { branch, side, invite, hop, bytes });
    }

    /// Tries again after a pause.
    fn refresh_later(&self, side: Side, pause: Duration, context: &mut Context<'_>) {
        context.effects.push(Effect::Arm { timer: side.session(), at: context.now.tick.after(pause) });
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
        match core.leg(side).refreshing.stage {
            Stage::Idle => {}
            Stage::Out { invite: false, .. } => return Phase::Talk(self),
            // RFC 4028 §10: the session expires before our refresh is answered, though it was heard.
            Stage::Out { invite: true, .. } => {
                return self.leg_is_dead(core, side, "the peer does not answer", context);
            }
        }
        if self.is_inviting(core) || core.leg(side).offer != Offer::Agreed {
            // What is under way refreshes the session, or comes to an end.
            let pause = back_off(Side::B, context);
            core.refresh_later(side, pause, context);
            return Phase::Talk(self);
        }
        match core.leg(side).timer.role() {
            Role::Edge => {
                core.refresh(side, context);
                Phase::Talk(self)
            }
            // RFC 4028 §10: the peer is to refresh and did not.
            Role::Peer => self.leg_is_dead(core, side, "the peer did not refresh the session", context),
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
                    Means::Reinvite => {
                        core.acknowledge(side, message.cseq().number, branch, Carried::Nothing, context);
                    }
                    Means::Update => core.leg_mut(side).timer.note_update(true),
                }
                core.session_heard(side, message, context);
            }
            // RFC 4028 §10, RFC 3261 §12.2.1.2: the peer knows the call no longer.
            481 => return self.leg_is_dead(core, side, "the peer no longer knows the call", context),
            408 => return self.leg_is_dead(core, side, "the peer does not answer", context),
            status => refused(core, (side, means), status, message, context),
        }
        Phase::Talk(self)
    }

    /// A leg that is gone ends the call on both.
    pub(super) fn leg_is_dead(
        self,
        core: &mut Core,
        side: Side,
        why: &str,
        context: &mut Context<'_>,
    ) -> Phase {
        let words = format!("a call of {} was ended: {why} (`session_timer`)", core.leg(side).peer.name);
        core.alert(code::SESSION_EXPIRED, &words, None, context);
        let ending = Ending {
            code: Some(code::SESSION_EXPIRED.number),
            // ITU-T Q.850: 102, recovery on timer expiry.
            reason: bytes::Bytes::from(format!("Q.850;cause=102;text=\"{why}\"")),
            ..Ending::new(EndedBy::Edge, Disposition::Answered, 200, why)
        };
        self.end(core, &ending, None, context)
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
    let due = leg.timer.due();
    let again = leg.refreshing.tries < TRIES_MAX;
    leg.refreshing.tries = leg.refreshing.tries.saturating_add(1);
    match status {
        491 if again => {
            let pause = back_off(side, context);
            core.refresh_later(side, pause, context);
        }
        422 if again && leg.timer.raise(message) => core.refresh(side, context),
        500 if !leg.refreshing.waited && message.has(HeaderName::RetryAfter) => {
            leg.refreshing.waited = true;
            let seconds = message.header(HeaderName::RetryAfter).and_then(retry_after).unwrap_or(1);
            // Half of what is left until the session expires, so that the other try comes in time.
            let pause = Duration::from_secs(u64::from(seconds)).min(due / 2);
            core.refresh_later(side, pause, context);
        }
        _ => match means {
            Means::Update => {
                leg.timer.note_update(false);
                core.refresh(side, context);
            }
            Means::Reinvite => context.effects.push(Effect::Disarm(side.session())),
        },
    }
}
