//! Messages for the tests of transactions, as text.
//!
//! Owns the shape of a small request and of the response to it.

use bytes::Bytes;
use ringfence::sip::parse::{Limits, parse};
use ringfence::sip::{ConnectionId, Flow, Hop, ListenerId, Message, Transport};

/// Where requests come from.
pub const ALICE: &str = "192.0.2.1:5060";
/// Where requests of ours go.
pub const BOB: &str = "192.0.2.9:5060";

/// A request of Alice's with a branch; `tag` goes behind To.
pub fn request(method: &str, branch: &str, tag: &str) -> String {
    written(method, &format!("SIP/2.0/UDP {ALICE};branch={branch}"), "one", tag)
}

/// A request with a Via of its own.
pub fn written(method: &str, via: &str, call_id: &str, tag: &str) -> String {
    format!(
        "{method} sip:bob@192.0.2.9 SIP/2.0\r\nVia: {via}\r\nMax-Forwards: 70\r\nFrom: <sip:alice@a.invalid>;tag=a\r\n\
         To: <sip:bob@b.invalid>{tag}\r\nCall-ID: {call_id}\r\nCSeq: 1 {method}\r\nContent-Length: 0\r\n\r\n"
    )
}

/// The response to a request; `tag` goes behind its To.
pub fn response(status: &str, request: &str, tag: &str) -> String {
    let mut text = format!("SIP/2.0 {status}\r\n");
    for line in request.split("\r\n").skip(1).filter(|line| !line.starts_with("Max-Forwards")) {
        text += line;
        if line.starts_with("To:") {
            text += tag;
        }
        text += "\r\n";
    }
    text.truncate(text.len() - 2);
    text
}

/// Reads it.
pub fn message(text: &str) -> Message {
    parse(Bytes::from(text.to_owned()), &Limits::default()).expect("a message of these tests can be read")
}

/// A flow from an address, by UDP or (with a number) a TCP connection.
pub fn flow(remote: &str, connection: u64) -> Flow {
    Flow {
        listener: ListenerId(0),
        transport: if connection == 0 { Transport::Udp } else { Transport::Tcp },
        remote: remote.parse().expect("an address"),
        connection: ConnectionId(connection),
    }
}

/// The way to an address.
pub fn hop(remote: &str, connection: u64) -> Hop {
    flow(remote, connection).back()
}
