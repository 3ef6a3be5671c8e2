//! The four transaction machines, pure, and the keys that find them.
//!
//! Owns their states, timers and keys. Refuses to know calls, sockets, tables and policy. A machine's transition takes
//! the old state by value and gives back the new one and the effects, in order.
//! Read first: RFC 3261 §17; RFC 6026; RFC 4320.

pub mod client;
pub mod hop_by_hop;
pub mod invite_client;
pub mod invite_server;
pub mod key;
pub mod server;
pub mod timing;

use std::time::Duration;

use bytes::Bytes;
use smallvec::SmallVec;

pub use client::Client;
pub use invite_client::InviteClient;
pub use invite_server::InviteServer;
pub use key::{ClientKey, KeyHasher, Keys, MergedKey, Sender, ServerKey};
pub use server::Server;
pub use timing::{Lettered, Terms, Timing};

/// What a machine asks for. `T` is the machine's own set of timers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect<T> {
    /// Send these bytes: a request or ACK to its hop, a response back where the request came from.
    Send(Bytes),
    /// Start a client transaction for this CANCEL, to the hop of the INVITE.
    Cancel(Bytes),
    /// Arm a timer; it is not armed now.
    Arm(T, Duration),
    /// Disarm a timer, where it is armed.
    Disarm(T),
    /// What just came is for the transaction user.
    PassUp,
    /// Tell the transaction user that nothing came in time.
    Timeout,
    /// Tell the transaction user that the transport failed.
    TransportError,
    /// The transaction is over: forget it.
    Terminated,
}

/// Effects of one transition, in order.
pub type Effects<T> = SmallVec<[Effect<T>; 5]>;

/// The class of a status code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// 1xx.
    Provisional,
    /// 2xx.
    Success,
    /// 3xx to 6xx: final, and no success.
    Failure,
}

impl Class {
    /// Of a status between 100 and 699.
    #[must_use]
    pub const fn of(status: u16) -> Self {
        match status {
            0..=199 => Self::Provisional,
            200..=299 => Self::Success,
            300.. => Self::Failure,
        }
    }
}
