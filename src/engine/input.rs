//! What the shell tells the engine.

use std::sync::Arc;
use std::time::Duration;

use super::query::Query;
use crate::media::order::News;
use crate::policy::{Full, Kept, Policy, Resolution};
use crate::sip::{ConnectionId, Flow, Frame, Hop, Malformed, PartyId};

/// One input.
#[derive(Debug)]
pub enum Input<'a> {
    /// What was kept before this start (`policy/kept.rs`), or nothing: the first input of all where there is a store, and none
    /// where there is not.
    Recall(Vec<Kept>),
    /// A datagram, or one framed message of a stream.
    Frame {
        /// From where.
        flow: Flow,
        /// Its octets; copied only once the flow has passed the source screen.
        frame: Frame<'a>,
    },
    /// A stream that could not be framed; the shell closes it after the outputs are drained.
    Broken {
        /// Which.
        flow: Flow,
        /// Why, with what a 400 needs.
        malformed: Box<Malformed>,
    },
    /// Someone whom no peer lists opened a stream, or came through no handshake, or never said anything whole; it is closed
    /// already. Count it as a stranger's packet.
    StrangerConnection {
        /// From where; `connection` is `NONE`.
        flow: Flow,
        /// Why it came to nothing, in words behind "it"; where it came so far.
        why: Option<&'static str>,
    },
    /// A connection was turned away, for there was no room.
    NoRoom {
        /// What was full.
        full: Full,
    },
    /// A stream that was made to us has proven itself by a certificate, on the terms of this party.
    Opened {
        /// Which.
        flow: Flow,
        /// On whose terms.
        party: PartyId,
    },
    /// A stream is gone (closed by anyone).
    Closed {
        /// Which.
        connection: ConnectionId,
    },
    /// A frame could not be sent, or a connection could not be made. (ICMP errors too, where the system tells.)
    Unsendable {
        /// Where to.
        hop: Hop,
    },
    /// The media relay told something.
    Media(News),
    /// A deadline came.
    Wake,
    /// What came of resolving one name of the policy.
    Resolved {
        /// Which.
        party: PartyId,
        /// What.
        resolution: Resolution,
    },
    /// A checked new policy.
    Reload(Arc<Policy>),
    /// No new calls; live ones may go on for so long, then they are ended.
    Drain {
        /// How long live calls may go on.
        patience: Duration,
    },
    /// End everything now.
    Stop,
    /// A question from `admin`; answered by `Output::Reply`.
    Query {
        /// Given back with the answer.
        id: u64,
        /// The question.
        query: Query,
    },
}
