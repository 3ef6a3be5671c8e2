//! What an endpoint means to do in one call: rules of the form "when this happens, that much later, do this".
//!
//! Owns the words of a plan. Refuses to know how they are carried out.

use super::guard::Guard;
use super::prover::Prover;
use super::session::Timing;
use crate::sim::wire::{MS, Micros};

/// What a rule waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    /// The caller begins, or the callee is invited.
    Start,
    /// A provisional response with this status was heard by the caller.
    Heard(u16),
    /// The session is up: the caller has its 2xx, the callee its ACK.
    Up,
    /// A request of this method came within the dialog.
    Asked(&'static str),
    /// Our own request of this method was answered finally.
    Answered(&'static str),
}

/// What a rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Callee: a provisional response, with SDP or without.
    Ring { status: u16, sdp: bool },
    /// Callee: the same reliably where the INVITE knows it (RFC 3262), after those before it are acknowledged.
    RingReliably { status: u16, sdp: bool },
    /// Callee: a reliable provisional response whose RSeq leaves one out.
    RingOutOfOrder,
    /// Callee: another endpoint behind the same INVITE begins to ring, with `fork` as its rules.
    Fork,
    /// Callee: 200 with SDP.
    Answer,
    /// Callee: 200 without SDP.
    AnswerBare,
    /// Callee: 200 though a provisional response is unacknowledged.
    AnswerAtOnce,
    /// Caller: BYE in the early dialog of a fork.
    ByeFork,
    /// Callee: a second 200 under another tag, as a forking proxy behind it would cause.
    AnswerFork,
    /// Callee: a final response that is not 2xx.
    Refuse(u16),
    /// Callee: 302 to a number of its own choice.
    Redirect,
    /// Caller: CANCEL, once a provisional response allows it, and only while there is no final response.
    Cancel,
    /// BYE in the dialog as it is known (for a caller also in an early one).
    Bye,
    /// A re-INVITE with SDP.
    Reinvite,
    /// CANCEL for a re-INVITE of ours that has no final response.
    CancelReinvite,
    /// Caller: ACK in the early dialog, though nothing was answered.
    Acknowledge,
    /// Any other request within the dialog.
    Ask(&'static str),
    /// UPDATE without SDP.
    UpdateBare,
    /// The INVITE's bytes again, that many times at once.
    Storm(u16),
    /// Callee: stops ringing, since nobody seems to call any more; nothing is sent.
    StopRinging,
    /// Falls silent for good in this call, as a machine that lost its power.
    Vanish,
}

/// One rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    pub on: On,
    pub after: Micros,
    pub act: Act,
}

/// A rule in one line; `after_ms` in milliseconds.
pub const fn when(on: On, after_ms: u64, act: Act) -> Rule {
    Rule { on, after: after_ms * MS, act }
}

/// An endpoint's part in one call.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    pub rules: Vec<Rule>,
    /// Caller: INVITE without SDP; the offer comes in the 2xx, the answer goes in the ACK.
    pub late_offer: bool,
    /// Never acknowledges a 2xx: a caller one to any INVITE of its own, a callee one to its re-INVITE.
    pub no_ack: bool,
    /// Callee: not even a 100.
    pub silent: bool,
    /// Callee: 100 at once.
    pub trying: bool,
    /// 100 at once to every other request within the dialog too, as phones from before RFC 4320 do.
    pub trying_others: bool,
    /// Max-Forwards of the caller's INVITE; `None` stands for 70.
    pub max_forwards: Option<u8>,
    /// How long a re-INVITE waits for its answer; 0 stands for 200 ms.
    pub reinvite_delay: Micros,
    /// A re-INVITE is refused with this.
    pub reinvite_refused: Option<u16>,
    /// A 503 says Retry-After with so many seconds, and only the first INVITE of a number is refused.
    pub pause: Option<u32>,
    /// Session timers, if it knows them.
    pub session: Option<Timing>,
    /// Refreshes are refused with this status, so many times.
    pub refresh_refused: Option<(u16, u8)>,
    /// Its media moves once, as it answers a re-INVITE that offers what was offered before.
    pub moves: bool,
    /// Offers one format more than it is answered, and refreshes without it.
    pub narrows: bool,
    /// Its session descriptions are longer than most.
    pub talkative: bool,
    /// Caller: says that it acknowledges provisional responses.
    pub reliable: bool,
    /// Caller: takes no provisional responses but those.
    pub requires_reliable: bool,
    /// Caller: never acknowledges one.
    pub no_prack: bool,
    /// Caller: acknowledges the first one that holds the answer with a new offer.
    pub prack_offers: bool,
    /// Caller: acknowledges the first one that holds nothing, once the answer is here, with a new offer.
    pub prack_offers_later: bool,
    /// Takes UPDATE and says so.
    pub updates: bool,
    /// How long PRACK and UPDATE wait for their answer; 0 is at once.
    pub answer_delay: Micros,
    /// Callee: the rules of the endpoint that `Fork` wakes.
    pub fork: Vec<Rule>,
    /// Caller: proves who it is when it is asked.
    pub proves: Option<Prover>,
    /// Asks who calls.
    pub guard: Option<Guard>,
    /// Whom its REFER names; the world says it where the flow has such a part.
    pub refers: Option<String>,
    /// Further header lines of the caller's INVITE.
    pub headers: Vec<(&'static str, &'static str)>,
}

impl Plan {
    /// A plan of these rules.
    pub fn of(rules: &[Rule]) -> Self {
        Self { rules: rules.to_vec(), trying: true, ..Self::default() }
    }
}
