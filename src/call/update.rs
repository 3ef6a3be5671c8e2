//! UPDATE: it crosses where the other peer takes it, else as a re-INVITE, else it ends here.
//!
//! Owns that decision. Refuses to know session timers beyond what tells a mere refresh from the rest.
//! Read first: RFC 3311 §5; RFC 6337 §3; RFC 4028 §7.4; RFC 4916.

use super::answer::{Answer, Body};
use super::core::Core;
use super::leg::Status;
use super::relay::decline;
use super::{Context, Relays, ServerId, Side};
use crate::sip::{Flow, HeaderName, Message};

/// What becomes of an UPDATE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Course {
    /// It crosses as it is.
    Crosses,
    /// It crosses as a re-INVITE.
    Reinvites,
    /// The edge answers 200 for itself.
    Alone,
    /// It is refused; whether with a Retry-After.
    Refused(u16, bool),
}

/// Whether an UPDATE only keeps its own leg's session alive: session timers do not cross.
pub(super) fn is_refresh(message: &Message) -> bool {
    message.body().is_empty() && message.has(HeaderName::SessionExpires) && !names_somebody(message)
}

/// Whether it says who somebody is (RFC 4916), which crosses.
pub(super) fn names_somebody(message: &Message) -> bool {
    message.has(HeaderName::PAssertedIdentity) || message.has(HeaderName::RemotePartyId)
}

/// Decides. `confirmed` says whether both dialogs are up.
pub(super) fn course(relays: &Relays, core: &Core, side: Side, message: &Message, confirmed: bool) -> Course {
    let (leg, other) = (core.leg(side), core.leg(side.other()));
    // RFC 3311 §5.2: one UPDATE of a side at a time, with an offer or without.
    if relays.updates(core, side) {
        return Course::Refused(500, true);
    }
    // One leg of a call that is transferred has gone, or is to come.
    let alone = confirmed && other.status != Status::Up;
    let crosses = other.allows_update && core.reaches(side.other()) && !alone;
    if message.body().is_empty() {
        return if crosses && !is_refresh(message) { Course::Crosses } else { Course::Alone };
    }
    if let Err(untimely) = leg.offer.takes() {
        let (status, pause) = untimely.status();
        return Course::Refused(status, pause);
    }
    // RFC 3264 §8: nothing is changed.
    if confirmed && core.repeats(side, message) {
        return Course::Alone;
    }
    if alone {
        return Course::Refused(500, true);
    }
    if !crosses && !confirmed {
        return Course::Refused(488, false);
    }
    if other.offer.takes().is_err() {
        // Ours cannot be made on the other leg now: the caller has not had the answer reliably, or an offer runs there.
        return Course::Refused(500, true);
    }
    if crosses { Course::Crosses } else { Course::Reinvites }
}

/// An UPDATE in an early dialog.
pub(super) fn early(
    relays: &mut Relays,
    core: &mut Core,
    from: (Side, ServerId),
    flow: &Flow,
    message: &Message,
    context: &mut Context<'_>,
) {
    let course = course(relays, core, from.0, message, false);
    carry(relays, core, from, flow, message, course, context);
}

/// Carries out what was decided, a re-INVITE aside.
pub(super) fn carry(
    relays: &mut Relays,
    core: &mut Core,
    from: (Side, ServerId),
    flow: &Flow,
    message: &Message,
    course: Course,
    context: &mut Context<'_>,
) {
    let (side, server) = from;
    // RFC 3261 §12.2: what is refused changes nothing, the remote target neither; of what crosses, the answer decides.
    if let Some(status) = core.session_refuses(side, message) {
        return decline(core, from, flow, message, (status, false), context);
    }
    match course {
        Course::Refused(status, pause) => decline(core, from, flow, message, (status, pause), context),
        // A re-INVITE is the business of Talk; no early dialog can have one (RFC 3261 §14.2).
        Course::Reinvites => decline(core, from, flow, message, (488, false), context),
        Course::Alone => {
            core.say_again(side, context);
            let stands = core.leg(side).sdp.as_deref().filter(|_| !message.body().is_empty());
            let answer = Answer { body: stands.map_or(Body::Left, Body::Ours), ..Answer::bare(200) };
            core.answer(side, server, message, flow.remote, &answer, context);
            // RFC 3311 §5.2: UPDATE refreshes the remote target.
            let policy = std::sync::Arc::clone(&core.policy);
            core.leg_mut(side).refresh(message, flow, &policy);
            if !message.body().is_empty() {
                core.leg_mut(side).refreshing.told();
            }
            if core.leg(side).status == Status::Up {
                core.session_answered(side, message, context);
            }
        }
        Course::Crosses if message.body().is_empty() => {
            relays.cross(core, from, flow, message, &[], context);
        }
        Course::Crosses => {
            if let Err(cause) = relays.cross_offer(core, from, flow, message, &[], context) {
                core.decline_offer_of(from, flow, message, cause, context);
            }
        }
    }
}
