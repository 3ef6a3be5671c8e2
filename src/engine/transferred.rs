//! Two calls of one transfer: the one that it is asked for in, and the one that is placed for it.
//!
//! Owns which belongs to which, and what each hears of the other: never from within a step of either. Refuses to know what a
//! transfer is. Read first: `call/transfer.rs`, `call/joined.rs`.

use std::sync::Arc;

use super::Engine;
use super::helped::EMERGENCIES_MAX;
use super::live::Happened;
use super::transactions::CallKey;
use crate::call::event::EndCause;
use crate::call::{Call, Event, LocalTag, Placing, Seek, Sought};
use crate::clock::Now;
use crate::policy::peer::Onward;

/// The other call of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// It was placed for this one.
    Places(CallKey),
    /// This one was placed for it.
    PlacedFor(CallKey),
}

/// What a call says to the other one of a transfer.
#[derive(Debug)]
pub enum Told {
    /// Another call is to be placed for this one.
    Place(CallKey, Box<Placing>),
    /// What was placed for this one was answered, or has come to nothing.
    Placed(CallKey, u16),
    /// The leg that stays may go over to the call that was placed for this one.
    Offer(CallKey),
    /// What this one was placed for is no more.
    Orphaned(CallKey),
    /// Another call is looked for, which the leg that stays of this one shall go into.
    Seek(CallKey, Box<Seek>),
}

impl Engine {
    /// It has its turn.
    pub(super) fn follow_transfer(&mut self, now: Now, told: Told) {
        match told {
            Told::Place(old, placing) => self.place(now, old, *placing),
            Told::Placed(old, status) => {
                if status >= 300 {
                    self.unlink(old);
                }
                self.drive(now, old, Event::Placed(status));
            }
            Told::Offer(old) => self.join(now, old),
            Told::Seek(old, seek) => self.seek(now, old, &seek),
            Told::Orphaned(new) => {
                self.unlink(new);
                self.drive(now, new, Event::End(EndCause::Parted));
            }
        }
    }

    /// A call that was placed for another says how it went.
    pub(super) fn tell_placed(&mut self, new: CallKey, status: u16) {
        let link =
            if status < 300 { self.calls.at(new).and_then(|entry| entry.link) } else { self.unlink(new) };
        if let Some(Link::PlacedFor(old)) = link {
            self.happened.push_back(Happened::Told(Told::Placed(old, status)));
        }
    }

    /// A call goes, or wants the other one no more.
    pub(super) fn part(&mut self, key: CallKey) {
        let told = match self.unlink(key) {
            Some(Link::Places(new)) => Told::Orphaned(new),
            Some(Link::PlacedFor(old)) => Told::Placed(old, 500),
            None => return,
        };
        self.happened.push_back(Happened::Told(told));
    }

    fn place(&mut self, now: Now, old: CallKey, placing: Placing) {
        if self.calls.at(old).is_none() {
            return;
        }
        let helps = placing.judged.emergency;
        let most = self.settings.calls_max.saturating_add(if helps { EMERGENCIES_MAX } else { 0 });
        // As a new call of a peer: none while the edge stops, and none beyond the table.
        let room = self.calls.len() < most && (helps || self.closing.is_open());
        let (policy, from) = (Arc::clone(&placing.policy), placing.payer);
        let link = Some(Link::PlacedFor(old));
        let new = if room {
            self.bring(now, (&policy, from), (None, link), |context| (Call::placed(placing, context), true))
        } else {
            None
        };
        match new {
            Some(new) => {
                self.counts.admitted += 1;
                // What has come to nothing in its first step has said so.
                let lives = self.calls.at(new).is_some();
                if let Some(entry) = self.calls.at(old).filter(|_| lives) {
                    entry.link = Some(Link::Places(new));
                }
            }
            None => self.drive(now, old, Event::Placed(480)),
        }
    }

    fn join(&mut self, now: Now, old: CallKey) {
        let Some(Link::Places(new)) = self.unlink(old) else { return };
        self.unlink(new);
        if !self.calls.at(new).is_some_and(|entry| entry.call.awaits_leg()) {
            return self.drive(now, old, Event::Placed(480));
        }
        match self.asked(now, old, |call, context| call.hand_over(context)).flatten() {
            Some(handed) => {
                self.asked(now, new, |call, context| call.take_over(handed, context));
            }
            None => self.drive(now, new, Event::End(EndCause::Parted)),
        }
    }

    fn seek(&mut self, now: Now, old: CallKey, seek: &Seek) {
        // Calls live on under the policy that admitted them; to join two of them is for the one in force to let.
        let may = self.policy.peer(seek.by).is_some_and(|peer| peer.transfers == Onward::Perform);
        let tag = LocalTag::read(&seek.named.to_tag).filter(|_| may);
        let named = tag.and_then(|tag| self.dialogs.find(tag)).filter(|(key, _)| *key != old);
        let found = named.and_then(|(key, side)| {
            let sought = self.calls.at(key)?.call.sought(side, seek);
            Some((key, side, sought))
        });
        let Some((key, side, sought)) = found else {
            return self.drive(now, old, Event::Sought(Sought::Unknown));
        };
        let is_there = matches!(sought, Sought::Found(_));
        self.drive(now, old, Event::Sought(sought));
        if is_there
            && let Some(handed) = self.asked(now, old, |call, context| call.hand_over(context)).flatten()
        {
            self.asked(now, key, |call, context| call.merge(handed, side, context));
        }
    }

    fn unlink(&mut self, key: CallKey) -> Option<Link> {
        self.calls.at(key).and_then(|entry| entry.link.take())
    }
}
