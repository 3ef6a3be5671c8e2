//! Early dialogs: one on leg A for each on leg B, while A's INVITE waits for its final answer.
//!
//! Owns which pair of early dialogs the two legs stand for, and the other pairs beside it: before anything is done in a
//! dialog, the legs turn to its pair. Refuses to know what crosses in one.
//! Read first: RFC 3261 §12.1.2, §13.2.2.4, §15; RFC 3262 §3.

use super::core::{Core, STRAYS_MAX};
use super::dialog::Dialog;
use super::leg::Outgoing;
use super::reliable::Reliable;
use super::{Branch, Context, Effect, LocalTag, Side};
use crate::policy::code;
use crate::sip::{Flow, Message, Method};

/// Early dialogs of one call; the provisional responses of further forks do not cross (39105).
pub const EARLY_DIALOGS_MAX: usize = 8;

/// A pair of early dialogs that the legs do not stand for at the moment.
#[derive(Debug)]
struct Fork {
    a: Dialog,
    b: Dialog,
    reliable: Reliable,
}

/// The pairs of one INVITE.
#[derive(Debug, Default)]
pub(super) struct Forks {
    /// What the pair that the legs stand for has under way.
    pub reliable: Reliable,
    others: Vec<Fork>,
    /// Whether it was told that there are too many.
    told: bool,
}

impl Forks {
    /// Whether there is any pair beside the one that the legs stand for.
    pub fn is_forked(&self) -> bool {
        !self.others.is_empty()
    }

    /// What every pair has under way.
    pub fn each(&mut self) -> impl Iterator<Item = &mut Reliable> {
        std::iter::once(&mut self.reliable).chain(self.others.iter_mut().map(|fork| &mut fork.reliable))
    }

    /// Bytes of peers' messages and names that are held for all pairs.
    pub fn bytes(&self) -> usize {
        let fork = |fork: &Fork| fork.a.bytes() + fork.b.bytes() + fork.reliable.bytes();
        self.reliable.bytes() + self.others.iter().map(fork).sum::<usize>()
    }

    /// Turns the legs to the pair whose dialog on leg B has this tag of the callee's; false when there is none.
    pub fn turn_to_callee(&mut self, core: &mut Core, tag: &[u8]) -> bool {
        if &*core.b.remote_tag == tag {
            return true;
        }
        let found = self.others.iter().position(|fork| &*fork.b.remote_tag == tag);
        self.turn(core, found)
    }

    /// Turns the legs to the pair whose dialog on leg A has this tag of ours; false when there is none.
    pub fn turn_to_caller(&mut self, core: &mut Core, tag: LocalTag) -> bool {
        if core.a.local_tag == tag {
            return true;
        }
        let found = self.others.iter().position(|fork| fork.a.local_tag == tag);
        self.turn(core, found)
    }

    fn turn(&mut self, core: &mut Core, found: Option<usize>) -> bool {
        let Some(fork) = found.and_then(|at| self.others.get_mut(at)) else { return false };
        core.a.turn_dialog(&mut fork.a);
        core.b.turn_dialog(&mut fork.b);
        std::mem::swap(&mut self.reliable, &mut fork.reliable);
        true
    }

    /// A provisional response: turns to its pair, or opens one. False when it must not cross: its dialog was ended, or
    /// there are too many.
    pub fn hear(
        &mut self,
        core: &mut Core,
        invite: Branch,
        response: &Message,
        flow: &Flow,
        context: &mut Context<'_>,
    ) -> bool {
        let Some(tag) = response.to_tag().filter(|tag| !tag.is_empty()) else { return true };
        if core.is_stray(invite, tag) {
            return false;
        }
        let known = self.turn_to_callee(core, tag);
        if !known && !core.b.remote_tag.is_empty() {
            if self.others.len() + 1 >= EARLY_DIALOGS_MAX {
                if !std::mem::replace(&mut self.told, true) {
                    let words = "a far side rings in more and more dialogs for one call; those beyond the bound do not cross. Look at what forks behind it";
                    core.alert(code::AMPLIFICATION_REFUSED, words, None, context);
                }
                return false;
            }
            self.open(core, response, context);
        }
        if !known && core.established(response, flow).is_err() {
            // What cannot be reached cannot be a dialog; that it rings is told all the same.
            core.b.remote_tag = Box::default();
        }
        true
    }

    /// A pair of its own for another fork; the legs stand for it from now on.
    fn open(&mut self, core: &mut Core, response: &Message, context: &mut Context<'_>) {
        let cseq = core.invite.as_ref().map_or(0, |pending| pending.message.cseq().number);
        let tag = LocalTag(context.random.bits());
        let offered = core.invite.as_ref().is_some_and(|pending| !pending.message.body().is_empty());
        let mut a = core.a.fresh_dialog(offered);
        a.local_tag = tag;
        a.remote_cseq = cseq;
        a.remote_tag = core.a.remote_tag.clone();
        a.way = core.a.way.clone();
        a.allows_update = core.a.allows_update;
        let mut b = core.b.fresh_dialog(offered);
        b.local_cseq = response.cseq().number;
        context.effects.push(Effect::Bind { tag, side: Side::A });
        self.others.push(Fork { a, b, reliable: Reliable::default() });
        let last = self.others.len() - 1;
        self.turn(core, Some(last));
    }

    /// A 2xx: the legs turn to its pair, or to a new one, and every other goes.
    pub fn settle(&mut self, core: &mut Core, response: &Message, context: &mut Context<'_>) {
        let tag = response.to_tag().unwrap_or_default();
        if !core.b.remote_tag.is_empty() && !self.turn_to_callee(core, tag) {
            self.open(core, response, context);
        }
        self.clear(core, context);
    }

    /// Only the pair that the legs stand for is left.
    pub fn clear(&mut self, core: &mut Core, context: &mut Context<'_>) {
        for fork in self.others.drain(..) {
            context.effects.push(Effect::Unbind { tag: fork.a.local_tag });
            // A loser that answers after all must hear a BYE with a number above that of every PRACK.
            core.early_cseq = core.early_cseq.max(fork.b.local_cseq);
        }
    }

    /// RFC 3261 §15: BYE of the caller in one of several early dialogs ends that one alone. The legs turn to another.
    pub fn end_one(&mut self, core: &mut Core, invite: Branch, context: &mut Context<'_>) {
        let tag = core.b.remote_tag.clone();
        if !tag.is_empty() && core.strays.len() < STRAYS_MAX {
            let branch = Branch(context.random.bits());
            let cseq = core.b.next_cseq();
            let bye = Outgoing::bare(&Method::Bye, branch, cseq);
            let (hop, bytes) = core.b.request(&core.policy, context.settings, &bye);
            context.effects.push(Effect::Request { branch, side: Side::B, invite: false, hop, bytes });
            core.strays.push((invite, tag));
        }
        core.early_cseq = core.early_cseq.max(core.b.local_cseq);
        context.effects.push(Effect::Unbind { tag: core.a.local_tag });
        let Some(mut fork) = self.others.pop() else { return };
        core.a.turn_dialog(&mut fork.a);
        core.b.turn_dialog(&mut fork.b);
        self.reliable = fork.reliable;
    }
}
