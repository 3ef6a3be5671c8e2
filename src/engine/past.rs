//! Calls that are over while their INVITE may still be answered again.
//!
//! Owns what is kept of each, for as long as that INVITE's client transaction lives and no longer: it needs no timer and
//! no bound of its own. Refuses to know how an answer is ended. Read first: RFC 3261 §13.2.2.4; RFC 6026 §7.2.

use super::calls::Entry;
use super::logins::{Ask, Rounds};
use super::slab::{Slab, SlabKey};
use super::transactions::{Owner, Transactions};
use super::{Engine, Output};
use crate::call::{Branch, Past};
use crate::clock::Now;
use crate::sip::{Flow, Message};

/// The past calls.
#[derive(Debug, Default)]
pub(super) struct Pasts(Slab<Past>);

impl Pasts {
    /// Keeps what each INVITE of an ended call needs that may still be answered with a 2xx.
    pub fn keep(&mut self, entry: &Entry, transactions: &mut Transactions) {
        for branch in &entry.invited {
            let Some(Owner::Call { side, .. }) = transactions.invite_owner(*branch) else { continue };
            let key = self.0.insert(entry.call.past(*branch, side));
            transactions.set_invite_owner(*branch, Owner::Past(key));
        }
    }
}

impl Engine {
    /// A response to an INVITE of a call that is over.
    pub(super) fn past_response(
        &mut self,
        now: Now,
        key: SlabKey,
        invite: Branch,
        flow: &Flow,
        message: &Message,
    ) {
        match message.status() {
            Some(200..=299) => self.answered_past(now, key, invite, flow, message),
            // Refused after all, or challenged, which nobody wants to answer any more: no 2xx can come.
            Some(300..) => self.past_ends(key),
            Some(_) | None => {}
        }
    }

    fn answered_past(&mut self, now: Now, key: SlabKey, invite: Branch, flow: &Flow, message: &Message) {
        self.counts.late_answers += 1;
        let Some(past) = self.pasts.0.find_mut(key) else { return };
        match past.answered(now, message, flow, &self.settings.call, &mut self.random) {
            Ok(farewell) => {
                let (hop, bytes) = farewell.ack;
                let bytes = self.with_proofs_of(invite, bytes);
                self.flush();
                self.outputs.push_back(Output::Send { hop, bytes });
                if let Some((branch, hop, bytes)) = farewell.bye {
                    let (owner, rounds) = (Owner::Nobody, Rounds::default());
                    self.send_request(now, Ask { branch, invite: false, hop, bytes, owner, rounds });
                }
            }
            Err(alert) => {
                if let Some(alert) = alert {
                    self.alert(alert);
                }
            }
        }
    }

    /// Its INVITE cannot be answered any more.
    pub(super) fn past_ends(&mut self, key: SlabKey) {
        self.pasts.0.remove(key);
        if !self.retired.is_empty() {
            self.forget_retired();
        }
    }
}
