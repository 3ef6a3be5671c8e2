//! What the engine asks of the shell. One enum, no wildcard where it is matched.

use bytes::Bytes;

use super::query::Reply;
use crate::call::CallRecord;
use crate::clock::Tick;
use crate::media::order::Order;
use crate::policy::{Alert, Kept};
use crate::sip::{ConnectionId, Hop};

/// One output.
#[derive(Debug)]
pub enum Output {
    /// Send bytes; on a stream the shell connects when it must, and reports `Input::Unsendable` when it cannot.
    Send {
        /// Where to.
        hop: Hop,
        /// What.
        bytes: Bytes,
    },
    /// Order something of the media relay.
    Media(Order),
    /// Close a stream after what was sent is written.
    Close {
        /// Which.
        connection: ConnectionId,
    },
    /// Whoever is at the far end of a stream has proven who it is: it is no guest any more.
    Proven {
        /// Which.
        connection: ConnectionId,
    },
    /// Write a call record.
    Record(Box<CallRecord>),
    /// Write an alert.
    Alert(Box<Alert>),
    /// Answer to a query.
    Reply {
        /// The query's.
        id: u64,
        /// The answer.
        reply: Box<Reply>,
    },
    /// Keep rows for the time after this process, in this order. At most once a second, and at once for what must not wait.
    Keep(Vec<Kept>),
    /// Draining is over: nothing is left, or everything was ended. `cut` calls had to be ended.
    Drained {
        /// Calls ended by us.
        cut: usize,
    },
    /// Nothing more: come back at `until` with `Input::Wake`, or when there is input.
    Wait {
        /// The next deadline, if any.
        until: Option<Tick>,
        /// Whose it is.
        reason: WaitReason,
    },
}

/// Whose deadline it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WaitReason {
    /// No deadline at all.
    Idle,
    /// A transaction's timer.
    Transaction,
    /// A call's deadline.
    Call,
    /// A probe of a peer.
    Probe,
    /// A registration at a trunk.
    Registration,
    /// Folding of strangers' alerts, expiry of bans.
    Sources,
    /// A record that waits for what was counted of its media.
    Record,
    /// Rows to be kept that have changed.
    Keep,
    /// The end of a suspension.
    Suspension,
    /// The end of draining.
    Drain,
}
