//! A call for help in danger to life: what would end any other call is passed over here, or asked for once more in a plainer way.
//!
//! Owns what an emergency is spared by its call: a trunk that takes no SRTP or no body of parts, an answer that cannot be taken, a
//! dialog's odd headers, keys that may not be told, a caller who cannot be called back. Refuses to know who may call for help
//! (`engine/users`). Read first: DESIGN.md §1, laws 2 and 3.

use std::borrow::Cow;

use bytes::Bytes;

use super::anchored::Described;
use super::caller;
use super::core::{Core, Ending};
use super::leg::Status;
use super::location::Location;
use super::session_timer::{Asked, grant};
use super::setup::Setup;
use super::{Branch, Context, Phase};
use crate::policy::{Peer, Transports, code};
use crate::sip::error::Cause;
use crate::sip::{Flow, Message, keys};

/// What is told where keys are left out.
const BARED: &str = "keys of an emergency call's speech would have crossed in the clear: they were left out, and it is offered without encryption";

/// How plain a target of an emergency is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Shape {
    /// RTP alone, where SRTP would be offered.
    pub clear: bool,
    /// Without the parts that say where the caller is.
    pub bare: bool,
}

impl Shape {
    /// What to ask for next after this answer, or after none; `secured` says whether SRTP was offered, `located` whether parts say
    /// where the caller is. Each step leaves out something, so there are two of them at most.
    fn plainer(self, status: Option<u16>, (secured, located): (bool, bool)) -> Option<Self> {
        // RFC 3261 §21.4.13, §21.4.26, §21.6.4: about the description. The others are what who cannot read a body of parts, or one
        // of that size, answers.
        let about_speech = matches!(status, Some(415 | 488 | 606));
        let about_parts = matches!(status, None | Some(400 | 413 | 415 | 488 | 493 | 500 | 513 | 606));
        let clear = (about_speech && secured && !self.clear).then_some(Self { clear: true, ..self });
        let bare = (about_parts && located && !self.bare).then_some(Self { bare: true, ..self });
        if matches!(status, Some(488 | 606)) { clear.or(bare) } else { bare.or(clear) }
    }
}

impl Setup {
    /// DESIGN.md law 3: a trunk's refusal of how it was asked is no reason to leave it. The same target is asked again with less, where
    /// there is less to ask. `Err`: there is not.
    pub(super) fn asked_plainer(
        mut self: Box<Self>,
        core: &mut Core,
        status: Option<u16>,
        context: &mut Context<'_>,
    ) -> Result<Phase, Box<Self>> {
        let Some((candidate, shape)) = self.plainer(status) else { return Err(self) };
        self.give_up();
        Ok(self.ask(core, candidate, Transports::new(), (None, shape), context))
    }

    /// The 2xx holds what cannot be taken, and the call is over; an emergency ends that dialog alone, and asks in a plainer way, or
    /// somebody else.
    pub(super) fn untaken(
        self: Box<Self>,
        core: &mut Core,
        (branch, flow, message): (Branch, &Flow, &Message),
        ending: &Ending,
        context: &mut Context<'_>,
    ) -> Phase {
        let goes_on = self.plainer(Some(488)).is_some() || self.has_more();
        if !core.story.emergency || core.joining.is_some() || core.b.late_offer || !goes_on {
            return self.end(core, ending, None, context);
        }
        core.end_stray(branch, message, flow, context);
        core.b.status = Status::Idle;
        match self.asked_plainer(core, Some(488), context) {
            Ok(phase) => phase,
            Err(nothing_plainer) => nothing_plainer.next_for_help(core, context),
        }
    }
}

impl Shape {
    /// The next shape of an attempt.
    pub(super) fn after(
        self,
        status: Option<u16>,
        described: Option<&Described>,
        located: bool,
    ) -> Option<Self> {
        self.plainer(status, (described.is_some_and(Described::is_secured), located))
    }
}

impl Core {
    /// Leg B's dialog of a response (RFC 3261 §12.1.2). Of an emergency a Contact or Record-Route that cannot be read costs the
    /// way that it names, and not the call.
    pub fn established(&mut self, response: &Message, flow: &Flow) -> Result<(), Cause> {
        let policy = std::sync::Arc::clone(&self.policy);
        let read = self.b.established(response, flow, &policy);
        if !self.story.emergency || read.is_ok() || self.b.remote_tag.is_empty() {
            return read;
        }
        self.b.turn(flow, &policy);
        self.b.note_allow(response);
        Ok(())
    }

    /// The caller's offer without its keys, where they would cross in the clear: law 2 holds for an emergency too, and law 3 takes
    /// RTP rather than no call. `None` where they do not, or there are none.
    pub fn bared_for_help(&self, private: bool, context: &mut Context<'_>) -> Option<Described> {
        let invite = &self.invite.as_deref()?.message;
        let may = self.a.hop.transport.is_encrypted() && private;
        if !self.story.emergency || self.is_anchored() || may || !keys::carried(invite) {
            return None;
        }
        self.alert(code::MEDIA_DOWNGRADE, BARED, None, context);
        Some(Described::bare(private, Bytes::from(keys::without(invite.body()))))
    }

    /// Where the caller of an emergency is, as its INVITE says; what of it was passed over is told.
    pub fn located(
        &self,
        invite: &Message,
        readable: bool,
        context: &mut Context<'_>,
    ) -> Option<Box<Location>> {
        if !self.story.emergency {
            return None;
        }
        if !readable {
            self.passed_over("a Contact or Record-Route that is too long or cannot be read", context);
        }
        let timed = |asked: Asked| grant(&self.a.peer.session_timers, &asked).is_ok();
        if !Asked::read(invite).is_ok_and(timed) {
            self.passed_over("a Session-Expires or Min-SE that cannot be granted", context);
        }
        Location::of(invite).unwrap_or_else(|why| {
            self.alert(code::OVERSIZE, why, None, context);
            None
        })
    }

    /// Tells what of an emergency's INVITE was passed over.
    fn passed_over(&self, what: &str, context: &mut Context<'_>) {
        let words = format!("{what} in the INVITE of an emergency call: passed over");
        self.alert(code::HEADER_VALUE_INVALID, &words, None, context);
    }

    /// The number by which an emergency service calls back, as this target is shown it: the caller's own, where it is its own and a
    /// whole one; else what the admin shows for it, else who stands in, else the site's. A number of somebody else would send help
    /// to somebody else; it is replaced, and never a reason to refuse.
    pub fn called_back<'a>(&'a self, peer: &'a Peer) -> Option<Cow<'a, str>> {
        let (a, from) = (&self.a.peer, &*self.story.from);
        let own = a.site.and_then(|site| self.policy.site(site)).map_or(&[][..], |site| &site.dids);
        let who: Cow<'a, str> = match &a.callers {
            // Nothing says whose any number is.
            None => Cow::Borrowed(from),
            Some(callers) => match callers.shown_for(from) {
                Some(number) => Cow::Borrowed(&**number),
                None => Cow::Owned(self.caller_read().unwrap_or_else(|| from.to_owned())),
            },
        };
        let is_own = a.callers.as_ref().is_none_or(|callers| {
            callers.shown_for(from).is_some() || callers.owned.holds(&who) || self.policy.is_own_number(&who)
        });
        if is_own && peer.numbers.is_called_back(&who) {
            return Some(who);
        }
        peer.numbers.callback(own).map(Cow::Borrowed).or_else(|| {
            let shown = !from.is_empty() && !from.eq_ignore_ascii_case("anonymous");
            shown.then_some(Cow::Borrowed(from))
        })
    }

    /// The caller as its peer's dial plan reads it, where that is a whole number.
    fn caller_read(&self) -> Option<String> {
        let invite = &self.invite.as_deref()?.message;
        let named = caller::named(invite, &self.a.peer.identity).ok().flatten()?;
        let read = self.a.peer.dialling.as_ref()?.read_caller(named.raw_uri)?;
        Some(read.as_str().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_leaves_out_what_it_may_be_about_and_nothing_twice() {
        let (full, clear) = (Shape::default(), Shape { clear: true, bare: false });
        let (bare, plain) = (Shape { clear: false, bare: true }, Shape { clear: true, bare: true });
        let (both, secured, located) = ((true, true), (true, false), (false, true));
        for (shape, status, has, next) in [
            (full, Some(488), both, Some(clear)),
            (clear, Some(488), both, Some(plain)),
            (plain, Some(488), both, None),
            (full, Some(415), both, Some(bare)),
            (bare, Some(415), both, Some(plain)),
            (full, Some(415), secured, Some(clear)),
            (full, Some(606), secured, Some(clear)),
            (clear, Some(488), secured, None),
            (full, Some(488), located, Some(bare)),
            (full, Some(513), both, Some(bare)),
            (bare, Some(513), both, None),
            (full, None, both, Some(bare)),
            (full, None, secured, None),
            (full, Some(486), both, None),
            (full, Some(488), (false, false), None),
        ] {
            assert_eq!(shape.plainer(status, has), next, "{shape:?} {status:?} {has:?}");
        }
    }
}
