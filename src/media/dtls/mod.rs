//! Keys for SRTP from a handshake on the media's own path.
//!
//! Owns one side of one DTLS association: who we are, whom the peer has to be, and the keys that both then have. The
//! library below speaks the records; what is trusted is decided here. Refuses to know sockets, sources and calls: datagrams
//! and `now` come in, datagrams and keys go out. Read first: RFC 5763 §5, §6; RFC 5764 §4; RFC 8842 §5; RFC 6347 §4.

mod handshake;
mod identity;
#[cfg(test)]
pub(super) mod tests;

pub use handshake::{Broken, Handshake, Keys, OCTETS_MAX, PARTS_MAX, PROFILES, Step};
pub use identity::{BadIdentity, Identity, NAME};
