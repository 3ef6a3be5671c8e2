//! What can happen to a call.

use super::{Branch, ServerId, Side, Sought};
use crate::policy::{Code, PeerId, Unproven, code};
use crate::sip::{Flow, Hop, Message};

/// Why a client transaction ended without a final response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Failure {
    /// Timer B or F, or nothing within the try timeout.
    Timeout,
    /// The transport said no.
    Transport,
    /// The edge's own table of client transactions is full: nobody else is to blame.
    Full,
    /// It is larger than a datagram can be: the request alone is to blame, and no target heard of it.
    Oversize,
}

/// Deadlines a call arms; one of each kind at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Timer {
    /// The turn in a target's line comes, or its time is over.
    Pace,
    /// No response from the current target.
    Try,
    /// Only 100 heard from the current target for too long.
    Progress,
    /// Ringing too long.
    Ring,
    /// A reliable provisional response is to be repeated, or given up (RFC 3262 §3).
    Reliable,
    /// Retransmit the 2xx on leg A (RFC 3261 §13.3.1.4).
    Retransmit2xxA,
    /// The same towards leg B (a re-INVITE from B).
    Retransmit2xxB,
    /// No ACK for the 2xx on leg A within 64*T1.
    AckA,
    /// The same on leg B.
    AckB,
    /// The cap from answer.
    Duration,
    /// Leg A is to be refreshed, or was not refreshed in time (RFC 4028 §10).
    SessionA,
    /// The same for leg B.
    SessionB,
    /// Empty lines to peers behind NAT.
    KeepAlive,
    /// Who asked for a transfer that was carried out has had the time to hang up.
    Parting,
    /// The call must be gone by now whatever happens.
    Linger,
}

/// Whether a response asks who we are, and whether that can be told.
#[derive(Debug, Clone, Copy)]
pub enum Proof<'a> {
    /// It is no challenge.
    NotAsked,
    /// It is, and the request may be sent again: it will be proven then.
    Possible {
        /// The request as it was sent, without any proof.
        request: &'a [u8],
        /// Where to.
        hop: Hop,
    },
    /// It is, and it is not answered.
    Refused(Unproven),
}

/// An event, already matched to this call by the engine.
#[derive(Debug)]
pub enum Event<'a> {
    /// A request in the dialog (by our local tag) with a new server transaction: re-INVITE, BYE, INFO, OPTIONS ...
    /// The call itself verifies Call-ID, remote tag, CSeq and that `peer` is the leg's peer.
    Request {
        /// Which leg's tag it named.
        side: Side,
        /// To answer it.
        server: ServerId,
        /// Who sent it, by its flow.
        peer: Option<PeerId>,
        /// From where.
        flow: Flow,
        /// The request.
        message: &'a Message,
    },
    /// An ACK for a 2xx (ACKs for other finals end in the transaction).
    Ack {
        /// Which leg's tag it named.
        side: Side,
        /// Who sent it.
        peer: Option<PeerId>,
        /// The ACK.
        message: &'a Message,
    },
    /// A CANCEL matched an INVITE server transaction of this call (A's first, or a re-INVITE). It was answered 200 already.
    Cancel {
        /// The INVITE's.
        server: ServerId,
        /// The CANCEL, for its Reason.
        message: &'a Message,
    },
    /// A response to a request of ours; for 2xx to INVITE every copy comes.
    Response {
        /// On which leg it was sent.
        side: Side,
        /// Which request.
        branch: Branch,
        /// From where.
        flow: Flow,
        /// The response.
        message: &'a Message,
        /// What follows where it is a challenge.
        proof: Proof<'a>,
    },
    /// A request of ours ended without a final response.
    Failed {
        /// Which request.
        branch: Branch,
        /// Why.
        failure: Failure,
    },
    /// A client INVITE transaction of ours is gone (its Accepted time is over): its 2xx cannot come again.
    Gone {
        /// Which request.
        branch: Branch,
    },
    /// A deadline armed by this call.
    Timer(Timer),
    /// The call that a transfer placed for this one was answered by this status.
    Placed(u16),
    /// What was found of the call that a transfer within this one names.
    Sought(Sought),
    /// End it now on both legs: cap, drain, stop, kill switch.
    End(EndCause),
}

/// Who or what ends a call from outside its own flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EndCause {
    /// The edge is stopping and its drain time is over.
    Stopping,
    /// An admin's command.
    Command,
    /// What it is about was suspended by order.
    Suspended,
    /// A policy that was put in force since forbids it, for this reason.
    Forbidden(Code),
    /// No media came from either side for too long.
    Silent,
    /// There is no socket for its media.
    NoSocket,
    /// A key of its media has served its lifetime, and no other was agreed.
    KeySpent,
    /// A handshake for its media has proven nobody.
    Unproven,
    /// A transfer has placed it, and who was to be transferred has gone.
    Parted,
}

impl EndCause {
    pub(super) const fn status(self) -> u16 {
        match self {
            // Never 503 to a listed peer: it would dial out another way.
            Self::Stopping | Self::Silent | Self::KeySpent => 480,
            // While it is set up its caller hears a refusal: see `refuses`.
            Self::Command | Self::Suspended | Self::Forbidden(_) => 403,
            Self::NoSocket => 500,
            Self::Unproven => 488,
            Self::Parted => 487,
        }
    }

    pub(super) const fn why(self) -> &'static str {
        match self {
            Self::Stopping => "the edge is stopping",
            Self::Command => "ended by command",
            Self::Suspended => "suspended by order",
            Self::Forbidden(_) => "the policy forbids it now",
            Self::Silent => "no media came from either side",
            Self::NoSocket => "no socket for its media",
            Self::KeySpent => "a key of its media is spent",
            Self::Parted => "who was to be transferred has gone",
            Self::Unproven => "a DTLS handshake for its media proved nobody",
        }
    }

    pub(super) const fn code(self) -> Option<u32> {
        match self {
            Self::Stopping | Self::Parted => None,
            Self::Suspended => Some(code::INSUFFICIENT_PERMISSIONS.number),
            Self::Forbidden(code) => Some(code.number),
            Self::Silent => Some(code::NO_AUDIO.number),
            Self::Unproven => Some(code::SECURE_MEDIA_NOT_ACCEPTED.number),
            Self::NoSocket | Self::KeySpent | Self::Command => Some(code::CALLS_CUT.number),
        }
    }

    /// What a caller whose call is still set up is refused by: it must not take another way out.
    pub(super) const fn refuses(self) -> Option<Code> {
        match self {
            Self::Command => Some(code::CALLS_CUT),
            Self::Suspended => Some(code::INSUFFICIENT_PERMISSIONS),
            Self::Forbidden(code) => Some(code),
            Self::Stopping
            | Self::Silent
            | Self::NoSocket
            | Self::KeySpent
            | Self::Unproven
            | Self::Parted => None,
        }
    }
}
