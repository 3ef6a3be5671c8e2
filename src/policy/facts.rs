//! What is known of a request when it is judged.

use std::net::SocketAddr;

use super::peer::{Direction, PeerId};
use crate::clock::Now;
use crate::sip::{Method, Transport};

/// Facts of one attempt; all of them read from the message and the flow, none from policy.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// When.
    pub now: Now,
    /// From whom (by flow).
    pub peer: PeerId,
    /// The sender.
    pub source: SocketAddr,
    /// Over what.
    pub transport: Transport,
    /// The method.
    pub method: &'a Method,
    /// From's user, unescaped once; empty when there is none.
    pub caller: &'a str,
    /// The number or name dialled: the user part that `called_from` names, unescaped once, without parameters.
    pub called: &'a str,
    /// Max-Forwards as it came; `None` when absent.
    pub max_forwards: Option<u8>,
    /// How many Via values.
    pub via_count: usize,
    /// Whether a Via or a History of ours says that this request already passed here (RFC 5393).
    pub passed_before: bool,
    /// Filled by the route step: where it would go.
    pub direction: Option<Direction>,
    /// The first target's peer, once routed.
    pub target: Option<PeerId>,
}
