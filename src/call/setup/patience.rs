//! The deadlines of setup: how long a target may be silent, think, or ring.
//!
//! Owns what follows when one passes. Refuses to know which target is next (`targets`). Read first: RFC 3261 §16.8, as
//! a model.

use super::Setup;
use crate::call::core::Core;
use crate::call::record::Disposition;
use crate::call::{Context, Effect, Failure, Phase, Side, Timer};
use crate::policy::{Refusal, code};

impl Setup {
    /// A deadline of this phase passed.
    pub(super) fn timer(
        mut self: Box<Self>,
        core: &mut Core,
        timer: Timer,
        context: &mut Context<'_>,
    ) -> Phase {
        match timer {
            Timer::Pace => {
                let next = self.targets.turn(core, context);
                self.turn_to(core, next, context)
            }
            Timer::Try => {
                if let Some(attempt) = &self.attempt {
                    let (candidate, began) = (&attempt.candidate, attempt.began);
                    context.gate.failed(context.now, candidate, core.parties(), Failure::Timeout, began);
                }
                self.give_up_target(core, context)
            }
            Timer::Progress => {
                let words = "the far side took the call and then said nothing: no ringing in time";
                core.alert(code::POST_DIAL_DELAY_TIMEOUT, words, None, context);
                // It answered 100, so it lives: whoever owns a number that never rings must not mark a trunk down.
                self.note(core, false, context);
                self.give_up_target(core, context)
            }
            Timer::Ring if core.story.emergency && self.targets.has_more() => {
                self.give_up_target(core, context)
            }
            Timer::Ring => {
                let refusal = Refusal::new(
                    code::POST_DIAL_DELAY_TIMEOUT,
                    &core.a.peer.refusal,
                    "it rang for the longest time the policy allows and nobody answered (`ring_max`)"
                        .to_owned(),
                );
                self.refuse(core, &refusal, Disposition::Failed, context)
            }
            Timer::Reliable => self.repeated(core, context),
            Timer::Retransmit2xxA
            | Timer::Retransmit2xxB
            | Timer::AckA
            | Timer::AckB
            | Timer::Duration
            | Timer::SessionA
            | Timer::SessionB
            | Timer::KeepAlive
            | Timer::Parting
            | Timer::Linger => Phase::Setup(self),
        }
    }

    /// Cancels the target that is being tried and turns to the next one.
    fn give_up_target(self: Box<Self>, core: &mut Core, context: &mut Context<'_>) -> Phase {
        if let Some(attempt) = &self.attempt {
            let reason = bytes::Bytes::new();
            context.effects.push(Effect::Cancel { branch: attempt.branch, side: Side::B, reason });
            core.give_up(attempt.branch);
        }
        self.next_target(core, context)
    }
}
