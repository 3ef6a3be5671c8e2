//! SIP words: messages as ranges over bytes, typed views parsed on demand, writing that cannot inject.
//!
//! Owns the grammar. Refuses to know transactions, dialogs, policy, sockets and time.
//! Read first: RFC 3261 §7, §19, §20, §25; RFC 3581; RFC 3966; RFC 5118.

pub mod again;
pub mod body;
pub mod decline;
pub mod digest;
pub mod error;
pub mod flow;
pub mod framing;
pub mod grammar;
pub mod headers;
pub mod keys;
mod lines;
pub mod message;
pub mod multipart;
pub mod parse;
mod phrase;
mod ranges;
mod refuse;
mod scan;
mod span;
pub mod text;
pub mod uri;
pub mod write;

pub use error::{Blame, Malformed};
pub use flow::{ConnectionId, Flow, Hop, ListenerId, Met, PartyId, Transport};
pub use framing::{Frame, Framed, Framer, Pending};
pub use headers::{CSeq, HeaderName, NameAddr, Via};
pub use message::{Message, Method, StartLine};
pub use uri::{Host, Uri};
pub use write::{Text, Writer};
