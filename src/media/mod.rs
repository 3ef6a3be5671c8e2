//! Media words and secrets: session descriptions, ports, RTP and RTCP as they stand in a packet, SRTP around them, streams
//! between two legs.
//!
//! Owns what a media packet is, what is said of it, how it is protected and where it goes on; all of it is pure, in the
//! caller's buffer. Refuses to know sockets, calls, policy and clocks. Read first: RFC 3550 §5, §6; RFC 3711; RFC 4568; RFC 5761; RFC 5763.

pub mod anchor;
pub mod dtls;
pub mod order;
pub mod ports;
pub mod reach;
pub mod rtcp;
pub mod rtp;
pub mod sdp;
pub mod srtp;
pub mod stream;
