//! The record of a transfer that was refused: an attempt of its own, and the call goes on as it was.
//!
//! Owns what stands in it. Refuses to judge. Read first: `record.rs`, `refer.rs`.

use std::net::SocketAddr;
use std::sync::Arc;

use super::core::Core;
use super::passed::Messages;
use super::record::{CallRecord, Disposition, EndedBy, LegRecord};
use super::{Context, Side};
use crate::policy::alert::shortened;
use crate::policy::{Refusal, Trail};

impl Core {
    /// Who asked, for which number, and why not. It follows the call.
    pub(super) fn denied(
        &self,
        side: Side,
        source: SocketAddr,
        refusal: &Refusal,
        context: &mut Context<'_>,
    ) -> CallRecord {
        let (leg, story) = (self.leg(side), &self.story);
        let (called, trail) = match refusal.asked.as_deref() {
            Some(asked) => (asked.called.to_string(), asked.trail.clone()),
            None => (String::new(), Trail::new()),
        };
        let now = context.now.wall;
        CallRecord {
            id: u128::from(context.random.bits()) << 64 | u128::from(context.random.bits()),
            follows: Some(story.id),
            // It found no route.
            direction: None,
            from: match side {
                Side::A => story.from.to_string(),
                Side::B => story.to.to_string(),
            },
            to: called,
            number: None,
            credential: story.caller.credential.clone().filter(|_| side == Side::A),
            forwarder: None,
            legs: vec![LegRecord {
                peer: Arc::clone(&leg.peer.name),
                call_id: shortened(&String::from_utf8_lossy(&leg.call_id)),
                remote: source,
                transport: leg.hop.transport,
                status: Some(refusal.status),
            }],
            began: now,
            rang: None,
            answered: None,
            ended: now,
            disposition: Disposition::Refused,
            ended_by: EndedBy::Edge,
            status: refusal.status,
            why: [refusal.code.name, ": ", &refusal.text].concat(),
            code: Some(refusal.code.number),
            trail,
            messages: Messages::default(),
            media: Vec::new(),
        }
    }
}
