//! The third stage of policy, asked of a live call: whether its time is over, and whether what it costs is still covered.
//!
//! Owns when that is asked. Refuses to know what a limit is. Read first: DESIGN.md §1, law 8; `policy/meter.rs`.

use super::core::{Core, Ending, reason_text};
use super::effect::Effect;
use super::event::Timer;
use super::record::{Disposition, EndedBy};
use super::talk::Talk;
use super::{Context, Phase};
use crate::clock::Tick;
use crate::policy::meter::Meter;
use crate::policy::verdict::{Said, Saw, Step};
use crate::policy::{Live, Review, code, review};

impl Core {
    /// What runs while the call is up.
    fn meters(&mut self) -> impl Iterator<Item = &mut Meter> {
        let given_up = self.abandoned.iter_mut().map(|given_up| &mut given_up.reservation);
        let legs = self.a.reservations.iter_mut().chain(self.b.reservations.iter_mut());
        legs.chain(given_up).flat_map(|reservation| reservation.meters())
    }

    /// The call is answered, or goes on in another way: it is looked at when the first of what it may use runs out. No transfer
    /// begins a meter anew.
    pub fn arm_review(&mut self, end: Tick, context: &mut Context<'_>) {
        let now = context.now.tick;
        let spared = self.story.emergency;
        let first = self.meters().filter(|_| !spared).filter_map(|meter| meter.answered(now)).min();
        let at = first.map_or(end, |first| first.min(end));
        context.effects.push(Effect::Arm { timer: Timer::Duration, at });
    }
}

impl Talk {
    /// The policy's third stage: whether the call may go on.
    pub(super) fn reviewed(self, core: &mut Core, context: &mut Context<'_>) -> Phase {
        let live = Live { peer: core.a.peer.id, answered: core.answered_at, duration_max: core.duration_max };
        let (code, words, reason) = match review(&live, context.now.tick) {
            Review::End(code) => {
                let words =
                    "the call reached the longest time the policy allows and was ended (`max_duration`)";
                (code, words.to_owned(), "maximum duration reached")
            }
            // DESIGN.md law 3: no budget ends a call for help, whatever it began as.
            Review::GoesOn(end) if core.story.emergency => {
                context.effects.push(Effect::Arm { timer: Timer::Duration, at: end });
                return Phase::Talk(self);
            }
            Review::GoesOn(end) => {
                let now = context.now;
                let mut next = end;
                let gate = &mut *context.gate;
                let over = core.meters().find_map(|meter| match gate.meter(now, meter) {
                    Ok(again) => {
                        next = again.map_or(next, |again| again.min(next));
                        None
                    }
                    Err(over) => Some(over),
                });
                let Some(over) = over else {
                    context.effects.push(Effect::Arm { timer: Timer::Duration, at: next });
                    return Phase::Talk(self);
                };
                let reason = if over.code == code::SPEND_CAP { "budget used up" } else { "minutes used up" };
                let mut trail = std::mem::take(&mut core.story.trail).into_vec();
                trail.push(Step { rule: over.rule, saw: Saw::Nothing, said: Said::Refuse });
                core.story.trail = trail.into_boxed_slice();
                (over.code, over.words, reason)
            }
        };
        core.alert(code, &words, None, context);
        let ending = Ending {
            code: Some(code.number),
            reason: reason_text(reason),
            ..Ending::new(EndedBy::Edge, Disposition::Answered, 200, code.name)
        };
        self.end(core, &ending, None, context)
    }
}
