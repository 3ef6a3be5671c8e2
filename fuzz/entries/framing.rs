//! A stream cut into messages: however it is cut, the same messages come out, and each is what the reader takes it for.

use bytes::Bytes;
use ringfence::sip::error::Cause;
use ringfence::sip::framing::{Framed, Framer, Pending};
use ringfence::sip::parse::{Limits, parse, parse_frame};

/// The first octet says how long the reads are; the rest is the stream.
pub fn entry(data: &[u8]) {
    let Some((step, stream)) = data.split_first() else { return };
    let limits =
        Limits { message_bytes_max: 4_000, head_bytes_max: 2_000, uri_bytes_max: 300, ..Limits::default() };
    let whole = frames(stream, usize::MAX, &limits);
    assert_eq!(whole, frames(stream, usize::from(*step).max(1), &limits));
    assert_eq!(whole, frames(stream, 1, &limits));
    for message in &whole.0 {
        if let Ok(read) = parse(Bytes::copy_from_slice(message), &limits) {
            assert_eq!(&read.bytes()[..], message, "the reader and the framer see the same end");
        }
    }
}

/// The messages of a stream, and the cause of its end if it broke.
fn frames(stream: &[u8], step: usize, limits: &Limits) -> (Vec<Vec<u8>>, Option<Cause>) {
    let (mut framer, mut messages) = (Framer::default(), Vec::new());
    for chunk in stream.chunks(step) {
        framer.push(chunk);
        loop {
            match framer.next(limits) {
                Ok(None) => break,
                Ok(Some(Framed::Message(frame))) => {
                    // Along the framer's line ends the same is read as without them.
                    let along = parse_frame(frame, limits).map(|read| read.bytes().to_vec());
                    let alone =
                        parse(Bytes::copy_from_slice(frame.bytes), limits).map(|read| read.bytes().to_vec());
                    assert_eq!(along, alone);
                    messages.push(frame.bytes.to_vec());
                }
                Ok(Some(Framed::KeepAlivePing | Framed::Pong)) => {
                    assert_eq!(framer.pending(), Pending::Nothing)
                }
                Err(refused) => {
                    assert!(framer.next(limits).is_err(), "a broken stream stays broken");
                    return (messages, Some(refused.cause));
                }
            }
        }
    }
    let octets: usize = messages.iter().map(Vec::len).sum();
    assert!(octets <= stream.len());
    (messages, None)
}
