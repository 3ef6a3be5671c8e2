//! What a call asks of the engine.

use bytes::Bytes;

use super::{Branch, CallRecord, LocalTag, Placing, Seek, ServerId, Side, Timer};
use crate::clock::Tick;
use crate::media::order::Order;
use crate::policy::Alert;
use crate::sip::Hop;

/// Effects of one transition, in order.
pub type Effects = Vec<Effect>;

/// One effect.
#[derive(Debug)]
pub enum Effect {
    /// Order something of the media relay. Those of one transition stand before the message that tells of their ports.
    Media(Order),
    /// Start a client transaction (INVITE or not, by `invite`); responses come back as `Event::Response` with this branch.
    Request {
        /// Its branch.
        branch: Branch,
        /// Which leg it belongs to.
        side: Side,
        /// Whether it is an INVITE.
        invite: bool,
        /// Where to.
        hop: Hop,
        /// The bytes.
        bytes: Bytes,
    },
    /// Start a client transaction for a request that was challenged: the same once more, to be sent with a proof.
    Again {
        /// Its new branch.
        branch: Branch,
        /// Which leg it belongs to.
        side: Side,
        /// Whether it is an INVITE.
        invite: bool,
        /// Where to.
        hop: Hop,
        /// The bytes, without the proof.
        bytes: Bytes,
    },
    /// Cancel an INVITE of ours: at once if a provisional was heard, else as soon as one is (RFC 3261 §9.1).
    /// `reason` is a whole Reason header value or empty.
    Cancel {
        /// The INVITE's branch.
        branch: Branch,
        /// The leg it was sent on.
        side: Side,
        /// Reason header value, clean.
        reason: Bytes,
    },
    /// Send bytes outside any transaction: ACK for a 2xx.
    Send {
        /// Which leg it belongs to.
        side: Side,
        /// The INVITE it acknowledges: it shows the same proofs (RFC 3261 §22.1).
        invite: Branch,
        /// Where to.
        hop: Hop,
        /// The bytes.
        bytes: Bytes,
    },
    /// Send an empty line, so that a NAT on the way keeps the flow (RFC 5626 §3.5.1).
    KeepAlive {
        /// Where to.
        hop: Hop,
    },
    /// Answer a server transaction.
    Respond {
        /// Which.
        server: ServerId,
        /// Which leg it belongs to.
        side: Side,
        /// The status.
        status: u16,
        /// The bytes.
        bytes: Bytes,
    },
    /// Retransmit a 2xx of ours (outside the transaction, RFC 6026).
    Resend {
        /// Where to.
        server: ServerId,
        /// The bytes.
        bytes: Bytes,
    },
    /// Enter a dialog tag of ours into the dialog table.
    Bind {
        /// The tag.
        tag: LocalTag,
        /// The leg.
        side: Side,
    },
    /// Take it out.
    Unbind {
        /// The tag.
        tag: LocalTag,
    },
    /// Arm a deadline; a second one of the same kind replaces the first.
    Arm {
        /// Which.
        timer: Timer,
        /// When.
        at: Tick,
    },
    /// Disarm it, if armed.
    Disarm(Timer),
    /// Place another call, for a transfer that is carried out here. How it went comes back as `Event::Placed`.
    Place(Box<Placing>),
    /// A call that was placed so: this is how it went.
    Placed(u16),
    /// The leg that stays may go over to the call that was placed.
    Offer,
    /// Look for another call that a transfer names. What was found comes back as `Event::Sought`.
    Seek(Box<Seek>),
    /// The call that was placed is wanted no more.
    Recall,
    /// Raise an alert.
    Alert(Box<Alert>),
    /// Write the call record; exactly one for each call.
    Record(Box<CallRecord>),
    /// Write the record of an attempt within the call that was refused: a transfer.
    Attempt(Box<CallRecord>),
    /// Nothing is left to do: drop the call.
    Ended,
}
