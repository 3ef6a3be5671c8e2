//! An outside caller who comes, by an attended transfer, into a call to the outside: it is sent on there, as by a forwarding.
//!
//! Owns whether that is so, and what it takes along. Refuses to judge (the gate). Read first: spec/limits.md, "Detectors";
//! `merged.rs`; attack rows C1, C4.

use std::net::SocketAddr;
use std::sync::Arc;

use super::core::Core;
use super::merged::End;
use super::redirect::Transfer;
use super::{Context, Side};
use crate::policy::{PeerSide, Refusal};
use crate::sip::Message;

impl Core {
    /// Judges the number outside that a caller from outside comes to talk to, whichever of the two calls the transfer is asked for
    /// in. What its rules count is held by the leg that stays, and they bound how long it talks.
    ///
    /// # Errors
    /// Why the two stay where they are.
    pub(super) fn send_on_into(
        &mut self,
        side: Side,
        (source, refer): (SocketAddr, &Message),
        end: &End,
        context: &mut Context<'_>,
    ) -> Result<(), Box<Refusal>> {
        let stays = side.other();
        let (by, with) = (Arc::clone(&self.leg(side).peer), Arc::clone(&self.leg(stays).peer));
        let outside = end.is_outside && with.side == PeerSide::Outside;
        let (called, caller) = match (stays, end.is_called) {
            (Side::A, true) => (&end.number, &self.story.from),
            (Side::B, false) => (&self.story.to, &end.number),
            // Both called in, or both were called: each was judged as what it is.
            (Side::A, false) | (Side::B, true) => return Ok(()),
        };
        // DESIGN.md law 3: an emergency call is nobody's forwarding.
        if !outside || self.story.emergency {
            return Ok(());
        }
        let uri = format!("sip:{called}@{}", self.leg(side).hop.remote.ip());
        let asked = Transfer {
            by: &by,
            with: &with,
            source,
            transport: self.leg(side).hop.transport,
            refer,
            uri: uri.as_bytes(),
            user: None,
            caller,
            hidden: false,
            shows: false,
            own: match side {
                Side::A => &self.story.from,
                Side::B => &self.story.to,
            },
            other: caller,
            performs: true,
            joins: true,
            // Both were asked of this before.
            secure: false,
            keys: false,
        };
        let draw = context.random.bits();
        let judged = context.gate.referred(context.now, &asked, draw)?;
        if !judged.emergency {
            let so_far = context.now.tick.since(self.answered_at);
            self.duration_max = self.duration_max.min(so_far.saturating_add(judged.duration_max));
        }
        self.leg_mut(stays).reservations.extend(judged.reservation);
        Ok(())
    }
}
